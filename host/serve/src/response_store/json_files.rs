//! Small JSON files, one for each image, that another service may read at any time.

use image_cache::{ImageCache, SmallFiles};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;

/// A directory of such files, in the cache's own directory.
#[derive(Debug)]
pub struct JsonFiles(SmallFiles);

impl JsonFiles {
    /// Opens a directory of `.image-cache/`, and creates it if it is missing.
    pub fn open(cache: &ImageCache, name: &str) -> io::Result<JsonFiles> {
        Ok(JsonFiles(cache.small_files(name)?))
    }

    /// Opens a directory below this one.
    pub fn below(&self, name: &str) -> io::Result<JsonFiles> {
        Ok(JsonFiles(self.0.below(name)?))
    }

    /// Loads the file of an image; `None` if it is malformed. An error means that there is a file that cannot be read now,
    /// for example because no file descriptor is free.
    pub fn load<T: DeserializeOwned>(&self, id: &str) -> io::Result<Option<T>> {
        match self.0.load(id) {
            Ok(bytes) => Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok())),
            Err(error) => {
                tracing::warn!(image = id, %error, "the stored response cannot be read");
                Err(error)
            }
        }
    }

    pub fn save<T: Serialize>(&self, id: &str, content: &T) -> io::Result<()> {
        self.0.save(id, &serde_json::to_vec(content)?)
    }

    pub fn remove(&self, id: &str) {
        if let Err(error) = self.0.remove(id) {
            tracing::debug!(image = id, %error, "the stored response cannot be removed");
        }
    }

    /// The images that have a file.
    pub fn ids(&self) -> io::Result<Vec<String>> {
        self.0.names()
    }
}
