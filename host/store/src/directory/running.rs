//! What the processes that have the cache open run: each keeps a small locked file, so that others know its driver and database.
//!
//! A note is written under a temporary name, locked, and then renamed: whoever finds it without a lock knows that its process has
//! ended, and removes it. Its content never changes; another one replaces it. Only its owner trusts it: the owner of the directory
//! can write anything there, so values are escaped and bounded.

mod text;

use super::safe_open::{create_new, open_to_read, random_suffix, read_whole};
use super::small_files::{NEW, SmallFiles};
use super::{Directory, names, unlink};
use crate::process::{Generation, LockFile, PerProcess};
use crate::sync::lock;
use image_cache_model::timestamp;
use std::collections::BTreeSet;
use std::fs::TryLockError;
use std::io::{self, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// Notes that are read at most: more processes than use one cache.
const MAX_NOTES: usize = 1000;

/// The largest note that is read, in bytes.
const MAX_BYTES: u64 = 32 << 10;

/// Attempts to create a note while no other thread forks.
const ATTEMPTS: u32 = 8;

/// The driver that a process uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningDriver {
    /// The driver in the configuration of the process.
    pub configured: String,
    /// The name under which it was loaded: another one if it is a fallback.
    pub name: String,
    /// The driver's name for itself.
    pub own_name: String,
    /// The driver's own version.
    pub version: String,
    /// The SHA-256 of its component, in hexadecimal digits.
    pub sha256: String,
    /// When it was loaded; precise to microseconds.
    pub since: SystemTime,
    /// Why it replaces the configured driver, if it does.
    pub fallback: Option<String>,
}

/// Another process that has the cache open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningProcess {
    /// Its id, as it sees it itself.
    pub process: u32,
    /// The driver that it uses; `None` while it loads one.
    pub driver: Option<RunningDriver>,
    /// The names of the databases in `.image-cache/drivers/` that it uses.
    pub databases: BTreeSet<String>,
}

/// What this process notes about itself in one directory.
#[derive(Debug, Default)]
pub(super) struct Running(Mutex<Noted>);

#[derive(Debug, Default)]
struct Noted {
    driver: Option<RunningDriver>,
    databases: BTreeSet<String>,
    note: Option<Note>,
}

/// A note on disk; it is removed when this is dropped.
#[derive(Debug)]
struct Note {
    folder: super::Dir,
    name: String,
    /// A forked child must not remove the note of its parent.
    generation: Generation,
    _locked: LockFile,
}

/// The names of this process's notes begin with its token.
#[derive(Debug)]
struct Token {
    text: String,
    next: AtomicU64,
}

static TOKEN: PerProcess<Token> = PerProcess::new();

impl Directory {
    /// Notes that this process uses the database of this name in `.image-cache/drivers/`, until
    /// [`note_driver`](Self::note_driver).
    ///
    /// # Errors
    /// If the note cannot be written or locked: other processes then do not know.
    pub fn note_database(&self, name: &str) -> io::Result<()> {
        let mut noted = lock(&self.running.0);
        let is_new = noted.databases.insert(name.to_owned());
        if is_new || noted.note.is_none() { self.write_note(&mut noted) } else { Ok(()) }
    }

    /// Notes the driver that this process uses from now on, and the name of its database in `.image-cache/drivers/`, if it has one.
    ///
    /// # Errors
    /// As [`note_database`](Self::note_database).
    pub fn note_driver(&self, driver: RunningDriver, database: Option<String>) -> io::Result<()> {
        let mut noted = lock(&self.running.0);
        let (driver, databases) = (Some(driver), database.into_iter().collect());
        if noted.note.is_some() && noted.driver == driver && noted.databases == databases {
            return Ok(());
        }
        (noted.driver, noted.databases) = (driver, databases);
        self.write_note(&mut noted)
    }

    /// The other processes that have this cache open, in any order. The notes of processes that have ended are removed.
    ///
    /// # Errors
    /// If the folder of the notes cannot be read. Notes that cannot be read are left out.
    pub fn running_elsewhere(&self) -> io::Result<Vec<RunningProcess>> {
        let folder = self.small_files(names::in_own(names::RUNNING))?;
        let own = TOKEN.get();
        let mut found = Vec::new();
        for entry in folder.dir().entries()?.take(MAX_NOTES) {
            let entry = entry?;
            let name = entry.file_name().to_str().filter(|name| !name.starts_with('.'));
            let Some(name) = name.filter(|name| !own.is_of(name)) else { continue };
            match read(&folder, name) {
                Ok(process) => found.extend(process),
                Err(error) => tracing::debug!(%error, name, "a note of a process cannot be read"),
            }
        }
        Ok(found)
    }

    fn write_note(&self, noted: &mut Noted) -> io::Result<()> {
        let folder = self.small_files(names::in_own(names::RUNNING))?;
        let text = text::write(noted.driver.as_ref(), &noted.databases);
        // The old note goes after the new one is there, so that this process is known all the time.
        noted.note = Some(Note::create(&folder, &text)?);
        Ok(())
    }
}

/// The process of a note; `None` if it has ended, or if the note makes no sense.
fn read(folder: &SmallFiles, name: &str) -> io::Result<Option<RunningProcess>> {
    let Some(file) = LockFile::open_if(|| open_to_read(folder.dir(), name))? else {
        return Ok(None);
    };
    match file.try_lock_shared() {
        Ok(()) => {
            // Its process has ended. Nobody locks a note again.
            unlink(folder.dir(), name)?;
            Ok(None)
        }
        Err(TryLockError::WouldBlock) => {
            let bytes = read_whole(file.try_clone()?, MAX_BYTES)?;
            Ok(bytes.and_then(|bytes| text::parse(&String::from_utf8_lossy(&bytes))))
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

impl Note {
    fn create(folder: &SmallFiles, text: &str) -> io::Result<Note> {
        for _ in 0..ATTEMPTS {
            let new = format!("{NEW}{}", random_suffix());
            if let Some(note) = Note::create_as(folder, &new, text)? {
                return Ok(note);
            }
            // Another thread forked meanwhile.
            unlink(folder.dir(), &new)?;
        }
        Err(io::Error::other("other threads fork all the time"))
    }

    fn create_as(folder: &SmallFiles, new: &str, text: &str) -> io::Result<Option<Note>> {
        let dir = folder.dir();
        let Some(file) = LockFile::create(|| create_new(dir, new, 0o600))? else {
            return Ok(None);
        };
        let name = TOKEN.get().next_name();
        let place = || -> io::Result<super::Dir> {
            folder.owner().give_to_file(&file)?;
            (&*file).write_all(text.as_bytes())?;
            file.try_lock()?;
            let dir_of_note = dir.try_clone()?;
            rustix::fs::renameat(dir, new, dir, &*name)?;
            Ok(dir_of_note)
        };
        let placed = place().inspect_err(|_| drop(unlink(dir, new)))?;
        let generation = Generation::current();
        Ok(Some(Note { folder: placed, name, generation, _locked: file }))
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        if self.generation.is_current()
            && let Err(error) = unlink(&self.folder, &self.name)
        {
            tracing::debug!(%error, "the note of this process remains; another process removes it");
        }
    }
}

impl Default for Token {
    fn default() -> Self {
        Token { text: random_suffix(), next: AtomicU64::new(0) }
    }
}

impl Token {
    fn next_name(&self) -> String {
        format!("{}-{}", self.text, self.next.fetch_add(1, Ordering::Relaxed))
    }

    fn is_of(&self, name: &str) -> bool {
        name.strip_prefix(&*self.text).is_some_and(|rest| rest.starts_with('-'))
    }
}

#[cfg(test)]
mod tests;
