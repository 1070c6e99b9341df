//! Verifying cached images from end to end, for a scrubber: nothing is counted, nothing is served.

use super::ImageCache;
use crate::error::{Error, Result};
use crate::reading::{Verifier, load_or_build_with_progress};
use crate::reading::{open_locked, read_block};
use image_cache_store::Directory;
use image_cache_store::integrity::{DigestTable, Trust};
use std::sync::Arc;

/// What [`ImageCache::verify`] found to be in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// Bytes that were read: all of the image's.
    pub size: u64,
    /// On what that rests.
    pub trust: Trust,
}

impl ImageCache {
    /// Reads a cached image and verifies all of it; nothing if it is not cached. If it has no block
    /// digests yet, they are made. It is no hit. What lies in the system's page cache is verified as it lies there.
    ///
    /// # Errors
    /// [`Error::Corrupt`], if the image is damaged; it is in `invalid/` then, and not cached any more.
    ///
    /// ```
    /// use image_cache::{Config, Error, Expected, ImageCache, Trust};
    /// # let scratch = tempfile::tempdir()?;
    /// # let directory = scratch.path().join("cache");
    /// let cache = ImageCache::open(Config::builder(&directory).build()?)?;
    /// cache.cache_image("cirros", &b"an image"[..], Expected::nothing())?;
    /// assert_eq!(cache.verify("cirros")?.map(|verified| verified.trust), Some(Trust::Fetched));
    ///
    /// std::fs::write(directory.join("cirros"), "an ima9e")?;
    /// assert!(matches!(cache.verify("cirros"), Err(Error::Corrupt { .. })));
    /// assert!(!cache.is_cached("cirros")?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn verify(&self, id: &str) -> Result<Option<Verified>> {
        self.verify_with(id, |_| ())
    }

    /// The same; `progress` is called with how many bytes were read since it was last called, and may take its time.
    pub fn verify_with(&self, id: &str, mut progress: impl FnMut(u64)) -> Result<Option<Verified>> {
        let inner = self.inner();
        let id = inner.image_id(id)?;
        let mut bytes_read = 0;
        while let Some(file) = open_locked(inner, &id).map_err(Error::image("open", &id))? {
            let mut count = |bytes| {
                bytes_read += bytes;
                progress(bytes);
            };
            let table = match load_or_build_with_progress(inner, &id, &file, &mut count)? {
                Verifier::By(table) => table,
                Verifier::Gone => continue,
                // Nothing can be said of it but that it can be read.
                Verifier::TooLarge => {
                    let size = file.metadata().map_err(Error::image("look at", &id))?.len();
                    return Ok(Some(Verified { size, trust: Trust::NotYet }));
                }
            };
            let size = table.size();
            // It was read to its end just now where its digests had to be made.
            if bytes_read < size || size == 0 {
                self.verify_blocks(&id, &file, &table, &mut progress)?;
            }
            return Ok(Some(Verified { size, trust: table.trust() }));
        }
        Ok(None)
    }

    /// Why the bytes of a cached image are taken for right; nothing if it is not cached.
    pub fn trust(&self, id: &str) -> Result<Option<Trust>> {
        let inner = self.inner();
        let id = inner.image_id(id)?;
        let file = inner.directory.open_cached(&id).map_err(Error::image("open", &id))?;
        file.map(|file| inner.digests.trust_of(&id, &file).map_err(Error::image("look at", &id)))
            .transpose()
    }

    /// Why the image's file in `invalid/` was put there, where it was a cached image that was found damaged.
    pub fn invalid_reason(&self, id: &str) -> Result<Option<String>> {
        self.inner().of_image("look for", id, Directory::invalid_reason)
    }

    fn verify_blocks(
        &self,
        id: &crate::ImageId,
        file: &std::fs::File,
        table: &Arc<DigestTable>,
        progress: &mut impl FnMut(u64),
    ) -> Result<()> {
        let mut block = Vec::new();
        for n in 0..table.blocks() {
            block.resize(table.block_len(n), 0);
            read_block(self.inner(), id, file, table, n, &mut block)?;
            progress(block.len() as u64);
        }
        Ok(())
    }
}
