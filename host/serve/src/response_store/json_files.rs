//! Small JSON files, one for each image, that another service may read at any time.

use image_cache::{ImageCache, SmallFiles};
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use std::io;

/// A folder of such files, in the cache's own directory.
#[derive(Debug)]
pub struct JsonFiles(SmallFiles);

impl JsonFiles {
    /// Opens a folder of `.image-cache/`, and makes it if it is missing.
    pub fn open(cache: &ImageCache, name: &str) -> io::Result<JsonFiles> {
        Ok(JsonFiles(cache.small_files(name)?))
    }

    /// Opens a folder below this one.
    pub fn below(&self, name: &str) -> io::Result<JsonFiles> {
        Ok(JsonFiles(self.0.below(name)?))
    }

    /// Loads the file of an image; nothing if it is malformed. An error says that there is a file that cannot be read now,
    /// for want of a file descriptor for instance.
    pub fn load<T: DeserializeOwned>(&self, id: &str) -> io::Result<Option<T>> {
        match self.0.load(id) {
            Ok(bytes) => Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok())),
            Err(error) => {
                tracing::warn!(image = id, %error, "what is kept of it cannot be read");
                Err(error)
            }
        }
    }

    /// Whether there is certainly no file of an image. A file that cannot be read now is there.
    pub fn is_absent(&self, id: &str) -> bool {
        matches!(self.load::<IgnoredAny>(id), Ok(None))
    }

    pub fn save<T: Serialize>(&self, id: &str, content: &T) -> io::Result<()> {
        self.0.save(id, &serde_json::to_vec(content)?)
    }

    pub fn remove(&self, id: &str) {
        if let Err(error) = self.0.remove(id) {
            tracing::debug!(image = id, %error, "what is kept of it cannot be removed");
        }
    }

    /// The images that have a file.
    pub fn ids(&self) -> io::Result<Vec<String>> {
        self.0.names()
    }
}
