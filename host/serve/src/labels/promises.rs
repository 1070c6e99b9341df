//! What is known of an image whose fetch runs, on disk: it holds for the file that the fetch fills, and for no other.
//!
//! So another service on the same directory knows whose bytes it reads along with, and a service that was killed just
//! when an image was published has lost nothing.

use super::files::Files;
use crate::label::{Label, Moment};
use image_cache::{FileIdentity, ImageCache};
use serde::{Deserialize, Serialize};
use std::io;

#[derive(Debug)]
pub struct Promises {
    files: Files,
    cache: ImageCache,
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
    /// Of this cache, in a folder of the one that its labels are in.
    pub fn of(cache: &ImageCache, labels: &Files) -> io::Result<Promises> {
        Ok(Promises { files: labels.below(".promised")?, cache: cache.clone() })
    }

    /// The file that is being filled is of the image with this label. Without the time of its birth, which some file
    /// systems do not keep, nothing is promised.
    pub fn make(&self, id: &str, label: &Label) {
        let Some(of) = self.fetched(id) else { return };
        let promise = Promise { of, label: label.clone() };
        if let Err(error) = self.files.save(id, &promise) {
            tracing::debug!(image = %id, %error, "what the upstream said of it is not kept yet");
        }
    }

    /// What was promised of the file that is being filled, be it by another service.
    pub fn of_fetched(&self, id: &str) -> io::Result<Option<Label>> {
        self.of_file(id, |promises| promises.fetched(id))
    }

    /// What was promised of the cached file.
    pub fn of_cached(&self, id: &str) -> io::Result<Option<Label>> {
        self.of_file(id, |promises| promises.cached(id))
    }

    fn of_file(
        &self,
        id: &str,
        file: impl FnOnce(&Promises) -> Option<Identity>,
    ) -> io::Result<Option<Label>> {
        let Some(promise) = self.files.load::<Promise>(id)? else { return Ok(None) };
        Ok((file(self) == Some(promise.of)).then_some(promise.label))
    }

    fn fetched(&self, id: &str) -> Option<Identity> {
        self.cache.incomplete_identity(id).ok().flatten().map(Identity::from)
    }

    fn cached(&self, id: &str) -> Option<Identity> {
        self.cache.cached_identity(id).ok().flatten().map(Identity::from)
    }

    pub fn remove(&self, id: &str) {
        self.files.remove(id);
    }

    /// Removes those that nobody can keep any more.
    pub fn sweep(&self) -> io::Result<()> {
        for id in self.files.ids()? {
            // What cannot be read now may be needed.
            if let (Ok(None), Ok(None)) = (self.of_fetched(&id), self.of_cached(&id)) {
                self.remove(&id);
            }
        }
        Ok(())
    }
}

impl From<FileIdentity> for Identity {
    fn from(found: FileIdentity) -> Identity {
        Identity { device: found.device, inode: found.inode, born: found.born.into() }
    }
}
