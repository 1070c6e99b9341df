//! The note of this process: written under a temporary name, locked, renamed, and removed when it is dropped.

use super::content::{RunningDriver, write};
use crate::directory::dir::{Dir, found};
use crate::directory::owner::Owner;
use crate::directory::safe_open::{NEW, create_new, random_suffix};
use crate::process::{Generation, LockFile, PerProcess};
use rustix::fs::AtFlags;
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Attempts to create a note while no other thread forks.
const ATTEMPTS: u32 = 8;

/// What this process notes about itself in one directory.
#[derive(Debug, Default)]
pub(in crate::directory) struct Running(pub(super) Mutex<Noted>);

#[derive(Debug, Default)]
pub(in crate::directory) struct Noted {
    pub(super) driver: Option<RunningDriver>,
    pub(super) databases: BTreeSet<String>,
    pub(super) note: Option<Note>,
}

/// A note on disk; it is removed when this is dropped.
#[derive(Debug)]
pub(in crate::directory) struct Note {
    folder: Dir,
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

/// Whether this is the name of a note of this process.
pub(super) fn is_own(name: &str) -> bool {
    name.strip_prefix(&*TOKEN.get().text).is_some_and(|rest| rest.starts_with('-'))
}

impl Noted {
    /// Writes the note, in place of the one before, which is removed afterwards: this process is known all the time.
    pub(super) fn save(&mut self, folder: &Dir, owner: Owner) -> io::Result<()> {
        let text = write(self.driver.as_ref(), &self.databases);
        self.note = Some(Note::create(folder, owner, &text)?);
        Ok(())
    }
}

impl Note {
    fn create(folder: &Dir, owner: Owner, text: &str) -> io::Result<Note> {
        for _ in 0..ATTEMPTS {
            let new = format!("{NEW}{}", random_suffix());
            if let Some(file) = LockFile::create(|| create_new(folder, &new, 0o600))? {
                let note = Note::place(folder, owner, file, &new, text);
                let note = note.inspect_err(|_| drop(remove(folder, &new)));
                match note {
                    // Another process has taken it for abandoned, before it was locked.
                    Err(error) if is_disturbed(&error) => continue,
                    note => return note,
                }
            }
            // Another thread forked meanwhile.
            remove(folder, &new)?;
        }
        Err(io::Error::other("other threads fork, or other processes open the cache, all the time"))
    }

    fn place(
        folder: &Dir,
        owner: Owner,
        file: LockFile,
        new: &str,
        text: &str,
    ) -> io::Result<Note> {
        file.try_lock()?;
        owner.give_to_file(&file)?;
        (&*file).write_all(text.as_bytes())?;
        let (token, handle) = (TOKEN.get(), folder.try_clone()?);
        let name = format!("{}-{}", token.text, token.next.fetch_add(1, Ordering::Relaxed));
        rustix::fs::renameat(folder, new, folder, &*name)?;
        let generation = Generation::current();
        Ok(Note { folder: handle, name, generation, _locked: file })
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        if self.generation.is_current()
            && let Err(error) = remove(&self.folder, &self.name)
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

/// Whether the file was locked or removed by another process.
fn is_disturbed(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::NotFound)
}

fn remove(folder: &Dir, name: &str) -> io::Result<()> {
    found(rustix::fs::unlinkat(folder, name, AtFlags::empty())).map(drop)
}
