//! What the processes that have the cache open run: each keeps a small locked file, so that others know its driver and database.
//!
//! A note is created under a temporary name, locked, written, and then renamed: whoever finds it without a lock knows that its process
//! has ended, and removes it. Its content never changes; another one replaces it. Only its owner trusts it: the owner of the directory
//! can write anything there, so values are escaped and bounded.

mod content;
mod note;

pub use content::{RunningDriver, RunningProcess};
pub(super) use note::Running;

use super::safe_open::{open_to_read, read_whole};
use super::small_files::SmallFiles;
use super::{Directory, names, unlink};
use crate::process::LockFile;
use crate::sync::lock;
use content::parse;
use note::{Noted, is_own};
use std::fs::TryLockError;
use std::io;

/// Notes that are read at most: more processes than use one cache.
const MAX_NOTES: usize = 1000;

/// The largest note that is read, in bytes.
const MAX_BYTES: u64 = 32 << 10;

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
        let mut found = Vec::new();
        for entry in folder.dir().entries()?.take(MAX_NOTES) {
            let entry = entry?;
            let name = entry.file_name().to_str().filter(|name| !name.starts_with('.'));
            let Some(name) = name.filter(|name| !is_own(name)) else { continue };
            match read(&folder, name) {
                Ok(process) => found.extend(process),
                Err(error) => tracing::debug!(%error, name, "a note of a process cannot be read"),
            }
        }
        Ok(found)
    }

    fn write_note(&self, noted: &mut Noted) -> io::Result<()> {
        let folder = self.small_files(names::in_own(names::RUNNING))?;
        // Once for each cache that is opened.
        if noted.note.is_none()
            && let Err(error) = remove_abandoned(&folder)
        {
            tracing::debug!(%error, "the notes of processes that have ended remain");
        }
        noted.save(folder.dir(), self.owner)
    }
}

/// Removes the notes of processes that have ended, also those that were not finished. A note that another process is creating just
/// now, and has not locked yet, may be among them: that process then creates another one.
fn remove_abandoned(folder: &SmallFiles) -> io::Result<()> {
    for entry in folder.dir().entries()?.take(MAX_NOTES) {
        let entry = entry?;
        let Some(name) = entry.file_name().to_str().filter(|name| !is_own(name)) else { continue };
        let opened = LockFile::open_if(|| open_to_read(folder.dir(), name));
        // What is no file stays.
        let Ok(Some(file)) = opened else { continue };
        if file.try_lock_shared().is_ok() {
            unlink(folder.dir(), name)?;
        }
    }
    Ok(())
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
            Ok(bytes.and_then(|bytes| parse(&String::from_utf8_lossy(&bytes))))
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests;
