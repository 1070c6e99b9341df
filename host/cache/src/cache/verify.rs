//! Verifies whole cached images, for a scrubber, without hits.

use super::ImageCache;
use crate::error::{Error, Result};
use crate::reading::{Verifier, load_or_build_with_progress};
use crate::reading::{open_locked, read_block};
use image_cache_store::Directory;
use image_cache_store::integrity::{DigestTable, Trust};
use std::sync::Arc;

/// The result of [`ImageCache::verify`] for an undamaged image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// Size of the image in bytes.
    pub size: u64,
    /// Why the bytes are trusted.
    pub trust: Trust,
}

impl ImageCache {
    /// Reads and verifies a whole cached image; `None` if it is not cached. Computes its block digests if it has none yet. Counts
    /// no hit. Bytes in the system's page cache are verified there, not on the disk.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the image is damaged; it is then in `invalid/` and no longer cached.
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

    /// Like [`verify`](Self::verify); `progress` gets the number of bytes that were read since its last call, and may block.
    pub fn verify_with(&self, id: &str, mut progress: impl FnMut(u64)) -> Result<Option<Verified>> {
        let inner = self.inner()?;
        let id = inner.image_id(id)?;
        let _span = tracing::debug_span!("verify", image = %id).entered();
        let mut bytes_read = 0;
        while let Some(file) = open_locked(inner, &id).map_err(Error::image("open", &id))? {
            let mut count = |bytes| {
                bytes_read += bytes;
                progress(bytes);
            };
            let table = match load_or_build_with_progress(inner, &id, &file, &mut count)? {
                Verifier::By(table) => table,
                Verifier::Gone => continue,
                // It is not verified.
                Verifier::TooLarge => {
                    let size = file.metadata().map_err(Error::image("examine", &id))?.len();
                    return Ok(Some(Verified { size, trust: Trust::NotYet }));
                }
            };
            let size = table.size();
            // If its digests were just computed, the whole file was already read.
            if bytes_read < size || size == 0 {
                self.verify_blocks(&id, &file, &table, &mut progress)?;
            }
            return Ok(Some(Verified { size, trust: table.trust() }));
        }
        Ok(None)
    }

    /// Why the bytes of a cached image are trusted; `None` if it is not cached.
    pub fn trust(&self, id: &str) -> Result<Option<Trust>> {
        let inner = self.inner()?;
        let id = inner.image_id(id)?;
        let file = inner.directory.open_cached(&id).map_err(Error::image("open", &id))?;
        file.map(|file| inner.digests.trust_of(&id, &file).map_err(Error::image("examine", &id)))
            .transpose()
    }

    /// Why the image's file is in `invalid/`, if it was a damaged cached image.
    pub fn invalid_reason(&self, id: &str) -> Result<Option<String>> {
        self.inner()?.of_image("look for", id, Directory::invalid_reason)
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
            read_block(self.inner()?, id, file, table, n, &mut block)?;
            progress(block.len() as u64);
        }
        Ok(())
    }
}
