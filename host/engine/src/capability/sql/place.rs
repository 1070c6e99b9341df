//! Where a database is: in a file below the base directory, or in memory.

use super::authorizer::DiskShare;
use super::connection::OpenDatabase;
use super::fault::SqlFault;
use super::location::{DatabaseIdentity, Location, identity_below, without_handles};
use crate::driver::deadline::Deadline;
use image_cache_store::Directory;
use std::path::PathBuf;
use std::sync::Arc;

/// Where a driver's database is.
#[derive(Debug)]
pub(super) enum Place {
    /// At this path below the base directory.
    File { directory: Arc<Directory>, path: PathBuf },
    /// In the memory of this process, as long as its one connection is open.
    Memory,
}

impl Place {
    /// Opens the database, and creates it if it is missing.
    pub fn open(&self, share: DiskShare, deadline: &Deadline) -> Result<OpenDatabase, SqlFault> {
        match self {
            Place::File { directory, path } => OpenDatabase::new(directory, path, share, deadline),
            Place::Memory => OpenDatabase::in_memory(share, deadline),
        }
    }

    /// Whether an open database is still the one at this place.
    pub fn has(&self, open: &mut OpenDatabase) -> bool {
        match self {
            Place::File { directory, path } => open.check_in_place(directory.base_dir(), path),
            Place::Memory => true,
        }
    }

    /// The identity of the file at this place; `None` if there is none.
    pub fn identity(&self) -> Option<DatabaseIdentity> {
        match self {
            Place::File { directory, path } => {
                identity_below(directory.base_dir(), path).ok().flatten()
            }
            Place::Memory => None,
        }
    }

    /// The file's location; `None` if it cannot be found, or if the database is in memory.
    pub fn location(&self) -> Option<Location> {
        match self {
            Place::File { directory, path } => Location::find(directory, path).ok(),
            Place::Memory => None,
        }
    }

    /// A message of SQLite without the paths of this process.
    pub fn without_paths(&self, message: &str) -> String {
        let words = without_handles(message);
        match self {
            Place::File { directory, .. } => {
                words.replace(&*directory.path().to_string_lossy(), "…")
            }
            Place::Memory => words,
        }
    }
}
