//! Reads of whole small images: one call opens, verifies, reads and counts.

use super::ImageCache;
use crate::error::{Error, Result};
use crate::reading::CachedReader;
use std::io::Read;

/// A cached image in memory, or the reader of a larger image; see [`ImageCache::read_whole`].
#[derive(Debug)]
pub enum WholeImage<R> {
    /// All its verified bytes. The hit is counted.
    Bytes(Vec<u8>),
    /// The image exceeds the limit. Nothing was read yet.
    Larger(R),
}

impl<R> WholeImage<R> {
    #[cfg(feature = "tokio")]
    pub(crate) fn map<T>(self, reader: impl FnOnce(R) -> T) -> WholeImage<T> {
        match self {
            WholeImage::Bytes(bytes) => WholeImage::Bytes(bytes),
            WholeImage::Larger(larger) => WholeImage::Larger(reader(larger)),
        }
    }
}

impl ImageCache {
    /// Reads a cached image of at most `at_most` bytes into memory, and counts the hit; opens a larger one like
    /// [`open_for_read`](Self::open_for_read). `None` if it is not cached.
    ///
    /// This is for services with many small responses: one call, and no reader to read to its end.
    ///
    /// ```
    /// use image_cache::{Config, Expected, ImageCache, WholeImage};
    /// # let scratch = tempfile::tempdir()?;
    /// # let directory = scratch.path().join("cache");
    /// let cache = ImageCache::open(Config::builder(directory).build()?)?;
    /// cache.cache_image("small", &b"an image"[..], Expected::nothing())?;
    /// match cache.read_whole("small", 64 * 1024)? {
    ///     Some(WholeImage::Bytes(bytes)) => assert_eq!(bytes, b"an image"),
    ///     Some(WholeImage::Larger(_)) | None => unreachable!("it is cached, and small"),
    /// }
    /// assert!(matches!(cache.read_whole("small", 7)?, Some(WholeImage::Larger(_))));
    /// assert_eq!(cache.hit_count("small")?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the image is damaged; it is then no longer cached.
    pub fn read_whole(&self, id: &str, at_most: usize) -> Result<Option<WholeImage<CachedReader>>> {
        let Some(mut reader) = self.open_for_read(id)? else { return Ok(None) };
        let size = usize::try_from(reader.size()).ok().filter(|size| *size <= at_most);
        let Some(size) = size else { return Ok(Some(WholeImage::Larger(reader))) };
        let mut bytes = Vec::with_capacity(size);
        let read = reader.read_to_end(&mut bytes);
        read.map_err(|error| Error::of_reader(reader.image_id(), error))?;
        Ok(Some(WholeImage::Bytes(bytes)))
    }
}
