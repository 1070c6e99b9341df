//! Images and caches for measurements.

use crate::Tested;
use image_cache::{Config, ConfigBuilder, Durability, Expected, ImageCache, Outcome};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The content of a large image repeats after this many bytes.
const BLOCK: usize = 1 << 20;

/// The content of a small image.
pub const KIB: [u8; 1024] = [7; 1024];

/// The n-th small image's id.
pub fn name(n: usize) -> String {
    format!("image-{n:06}")
}

/// A large image in memory: the same MiB repeated, as in the processes of the peers.
#[derive(Debug, Clone)]
pub struct Large {
    block: Vec<u8>,
    size: usize,
}

impl Large {
    /// An image of this many bytes.
    pub fn of(size: usize) -> Large {
        Large { block: (0..BLOCK).map(|at| (at * 31 % 251) as u8).collect(), size }
    }

    /// A reader of its bytes, at most `chunk` at once.
    pub fn source(&self, chunk: usize) -> LargeSource<'_> {
        LargeSource { image: self, at: 0, chunk }
    }

    /// Its size in bytes.
    pub fn size(&self) -> usize {
        self.size
    }
}

/// A reader of a large image.
#[derive(Debug)]
pub struct LargeSource<'a> {
    image: &'a Large,
    at: usize,
    chunk: usize,
}

impl LargeSource<'_> {
    /// The next bytes, if there are any.
    pub fn next_chunk(&mut self) -> &[u8] {
        self.take(self.chunk)
    }

    fn take(&mut self, most: usize) -> &[u8] {
        let from = self.at % BLOCK;
        let count = most.min(self.image.size - self.at).min(BLOCK - from);
        self.at += count;
        &self.image.block[from..from + count]
    }
}

impl Read for LargeSource<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let chunk = self.take(self.chunk.min(buf.len()));
        buf[..chunk.len()].copy_from_slice(chunk);
        Ok(chunk.len())
    }
}

/// The configuration of a cache: the default options, except for a size limit above all measured images.
pub fn config(directory: &Path, driver: &str) -> ConfigBuilder {
    Config::builder(directory).driver(driver).max_size(1 << 40)
}

/// Opens a cache; returns an error if another driver has replaced the configured one.
///
/// # Errors
/// If opening fails.
pub fn open(config: ConfigBuilder) -> Tested<ImageCache> {
    let cache = ImageCache::open(config.build()?)?;
    match cache.driver().fallback {
        Some(fallback) => Err(format!("the cache fell back: {fallback:?}").into()),
        None => Ok(cache),
    }
}

/// Caches those of the first `images` small images that are not cached, with a checksum, and syncs them to disk.
///
/// # Errors
/// If one of them is not cached.
pub fn fill(directory: &Path, driver: &str, images: usize) -> Tested {
    // Syncing each image takes ten times as long, and has the same result.
    let cache = open(config(directory, driver).durability(Durability::RenameOnly))?;
    let expected = Expected::nothing().with_md5(&crate::md5_hex(&KIB))?;
    for n in 0..images {
        match cache.cache_image(&name(n), &KIB[..], expected.clone())? {
            Outcome::Cached(_) | Outcome::AlreadyCached => {}
            other => return Err(format!("an image was not cached: {other:?}").into()),
        }
    }
    sync_all(directory)?;
    match cache.cache_size()?.images {
        all if all == images as u64 => Ok(()),
        other => Err(format!("{other} images are cached of {images}").into()),
    }
}

/// Syncs the file system, so that the next writer does not wait for earlier writes.
///
/// # Errors
/// If the directory cannot be opened, or if writing fails.
pub fn sync_all(directory: &Path) -> Tested {
    Ok(rustix::fs::syncfs(File::open(directory)?)?)
}
