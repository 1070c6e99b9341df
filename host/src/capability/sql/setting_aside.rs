//! Moving a corrupt database out of the way, whole, for whoever wants to look at it.

use super::{Database, opening};
use cap_std::fs::OpenOptions;
use rustix::fs::CWD;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What SQLite keeps beside a database.
const SIDE_FILES: [&str; 3] = ["-wal", "-shm", "-journal"];

impl Database {
    /// Moves the database that was found corrupt and its side files into `.image-cache/` and says where it is now. Where
    /// another thread or process did so first, nothing is moved, and the answer is `.image-cache/` itself.
    pub fn set_aside(&mut self) -> io::Result<PathBuf> {
        let condemned = self.condemned.take();
        self.open = None;
        self.checked = false;
        let own = self.directory.path().join(".image-cache");
        let _one_at_a_time = self.lock()?;
        if condemned.is_none() || opening::identity(&self.path)? != condemned {
            return Ok(own);
        }
        let aside = own.join(aside_name(&self.path));
        // The database first: a process that opens a new one meanwhile throws away side files that have none.
        rename(&self.path, &aside)?;
        for ending in SIDE_FILES {
            rename(&with_ending(&self.path, ending), &with_ending(&aside, ending))?;
        }
        Ok(aside)
    }

    fn lock(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true);
        let file = self.directory.own_dir().open_with("database.lock", &options)?.into_std();
        // Another user may have made it, and it serves all the same.
        let _ = self.directory.adopt_owner(&file);
        file.lock()?;
        Ok(file)
    }
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match rustix::fs::renameat(CWD, from, CWD, to) {
        Err(rustix::io::Errno::NOENT) => Ok(()),
        other => Ok(other?),
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn aside_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!("{name}.corrupt-{}", crate::driver::timestamp(SystemTime::now()))
}
