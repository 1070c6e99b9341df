//! What is kept of each image in a small file of JSON, that another service may read at any time.

use image_cache::{ImageCache, SmallFiles};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;

/// A folder of them, in the cache's own directory.
#[derive(Debug)]
pub struct Files(SmallFiles);

impl Files {
    /// In this folder of `.image-cache/`, which is made where it is missing.
    pub fn of(cache: &ImageCache, name: &str) -> io::Result<Files> {
        Ok(Files(cache.small_files(name)?))
    }

    /// In a folder of this one.
    pub fn below(&self, name: &str) -> io::Result<Files> {
        Ok(Files(self.0.below(name)?))
    }

    /// What is kept of an image; nothing where that is malformed. An error says that something is kept, but cannot be read
    /// now, for want of a file descriptor for instance.
    pub fn load<T: DeserializeOwned>(&self, id: &str) -> io::Result<Option<T>> {
        match self.0.load(id) {
            Ok(bytes) => Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok())),
            Err(error) => {
                tracing::warn!(image = id, %error, "what is kept of it cannot be read");
                Err(error)
            }
        }
    }

    /// Whether it is certain that nothing is kept of an image: a file that cannot be read now is there.
    pub fn is_absent(&self, id: &str) -> bool {
        match self.0.load(id) {
            Ok(bytes) => bytes.is_none_or(|bytes| !is_json(&bytes)),
            Err(_) => false,
        }
    }

    pub fn save<T: Serialize>(&self, id: &str, content: &T) -> io::Result<()> {
        self.0.save(id, &serde_json::to_vec(content)?)
    }

    pub fn remove(&self, id: &str) {
        if let Err(error) = self.0.remove(id) {
            tracing::debug!(image = id, %error, "what is kept of it cannot be removed");
        }
    }

    /// The images of which something is kept.
    pub fn ids(&self) -> io::Result<Vec<String>> {
        self.0.names()
    }
}

fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()
}
