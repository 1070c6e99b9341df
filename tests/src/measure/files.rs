//! Images and caches that measures work on.

use crate::Tested;
use image_cache::{Config, ConfigBuilder, Durability, Expected, ImageCache, Outcome};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Bytes of a large image repeat after this many.
const BLOCK: usize = 1 << 20;

/// What a small image holds.
pub const KIB: [u8; 1024] = [7; 1024];

/// The n-th small image's id.
pub fn name(n: usize) -> String {
    format!("image-{n:06}")
}

/// A large image in memory: the same MiB again and again, as the peers' processes have it, too.
#[derive(Debug, Clone)]
pub struct Large {
    block: Vec<u8>,
    size: usize,
}

impl Large {
    /// Of this many bytes.
    pub fn of(size: usize) -> Large {
        Large { block: (0..BLOCK).map(|at| (at * 31 % 251) as u8).collect(), size }
    }

    /// Its bytes, never more than `chunk` at once.
    pub fn source(&self, chunk: usize) -> LargeSource<'_> {
        LargeSource { image: self, at: 0, chunk }
    }

    /// How many bytes it has.
    pub fn size(&self) -> usize {
        self.size
    }
}

/// A large image being read.
#[derive(Debug)]
pub struct LargeSource<'a> {
    image: &'a Large,
    at: usize,
    chunk: usize,
}

impl LargeSource<'_> {
    /// The next bytes, where there are any.
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

/// A cache's configuration: all at its defaults, but larger than anything that is measured.
pub fn config(directory: &Path, driver: &str) -> ConfigBuilder {
    Config::builder(directory).driver(driver).max_size(1 << 40)
}

/// A cache; one that does not use the driver that was asked for is an error.
///
/// # Errors
/// What opening fails with.
pub fn open(config: ConfigBuilder) -> Tested<ImageCache> {
    let cache = ImageCache::open(config.build()?)?;
    match cache.driver().fallback {
        Some(fallback) => Err(format!("the cache fell back: {fallback:?}").into()),
        None => Ok(cache),
    }
}

/// Caches those of the first `images` small images that are not cached, with a checksum, and has them written to disk.
///
/// # Errors
/// Where one of them is not cached.
pub fn fill(directory: &Path, driver: &str, images: usize) -> Tested {
    // Each of them flushed takes ten times as long, and leaves the same.
    let cache = open(config(directory, driver).durability(Durability::RenameOnly))?;
    let expected = Expected::nothing().with_md5(&crate::md5_hex(&KIB))?;
    for n in 0..images {
        match cache.cache_image(&name(n), &KIB[..], expected.clone())? {
            Outcome::Cached(_) | Outcome::AlreadyCached => {}
            other => return Err(format!("an image was not cached: {other:?}").into()),
        }
    }
    settle(directory)?;
    match cache.cache_size()?.images {
        all if all == images as u64 => Ok(()),
        other => Err(format!("{other} images are cached of {images}").into()),
    }
}

/// Has the file system write what it keeps back, so that the next writer does not wait for that.
///
/// # Errors
/// Where the directory cannot be opened, or writing fails.
pub fn settle(directory: &Path) -> Tested {
    Ok(rustix::fs::syncfs(File::open(directory)?)?)
}
