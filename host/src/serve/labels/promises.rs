//! What is known of an image whose fetch runs, on disk: it holds for the file that the fetch fills, and for no other.
//!
//! So another service on the same directory knows whose bytes it reads along with, and a service that was killed just
//! when an image was published has lost nothing.

use super::files::Files;
use crate::serve::label::{Label, Moment};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub struct Promises {
    files: Files,
    cache: PathBuf,
}

/// Tells a file from all others, also from a later one in its place: it stays when the file is renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    device: u64,
    inode: u64,
    born: Moment,
}

#[derive(Debug, Serialize, Deserialize)]
struct Promise {
    of: Identity,
    label: Label,
}

impl Promises {
    /// Of the cache in this directory.
    pub fn below(parent: &Path, cache: &Path) -> io::Result<Promises> {
        Ok(Promises { files: Files::below(parent, ".promised")?, cache: cache.to_owned() })
    }

    /// The file that is being filled is of the image with this label. Without the time of its birth, which some file
    /// systems do not keep, nothing is promised.
    pub fn make(&self, id: &str, label: &Label) {
        let Some(of) = identity(&self.cache.join("incomplete").join(id)) else { return };
        let promise = Promise { of, label: label.clone() };
        if let Err(error) = self.files.save(id, &promise) {
            tracing::debug!(image = %id, %error, "what the upstream said of it is not kept yet");
        }
    }

    /// What was promised of the file that is being filled, be it by another service.
    pub fn of_fetched(&self, id: &str) -> Option<Label> {
        self.of_file(id, &self.cache.join("incomplete").join(id))
    }

    /// What was promised of the cached file.
    pub fn of_cached(&self, id: &str) -> Option<Label> {
        self.of_file(id, &self.cache.join(id))
    }

    fn of_file(&self, id: &str, file: &Path) -> Option<Label> {
        let promise: Promise = self.files.load(id)?;
        (identity(file)? == promise.of).then_some(promise.label)
    }

    pub fn remove(&self, id: &str) {
        self.files.remove(id);
    }

    /// Removes those that nobody can keep any more.
    pub fn sweep(&self) -> io::Result<()> {
        for id in self.files.ids()? {
            if self.of_fetched(&id).is_none() && self.of_cached(&id).is_none() {
                self.remove(&id);
            }
        }
        Ok(())
    }
}

fn identity(file: &Path) -> Option<Identity> {
    let found = fs::symlink_metadata(file).ok().filter(fs::Metadata::is_file)?;
    Some(Identity { device: found.dev(), inode: found.ino(), born: found.created().ok()?.into() })
}
