//! The disk: space is reserved before bytes arrive, and the free-space floor and the hard limit are kept, for any number of
//! concurrent fills.

mod hard_limit;
mod inodes;
mod many_processes;
mod on_disk;

use image_cache::{Expected, ImageCache, Outcome};
use image_cache_tests::{Mount, TempCache, Tested, bytes, md5_hex, read_until_error};
use std::path::Path;

const MIB: u64 = 1 << 20;

fn image(seed: u64, size: u64) -> Vec<u8> {
    bytes(seed, usize::try_from(size).expect("it fits into memory"))
}

/// A small separate file system for this driver's cache.
fn disk(temp: &TempCache, size: u64) -> Option<(Mount, TempCache)> {
    let mount = Mount::tmpfs(size)?;
    let temp = TempCache::at(temp.driver(), mount.path().join("cache"));
    Some((mount, temp))
}

fn free(path: &Path) -> u64 {
    let stat = rustix::fs::statvfs(path).expect("the file system answers");
    stat.f_bavail * stat.f_frsize
}

fn sized(size: u64) -> Expected {
    Expected::nothing().with_size(size)
}

/// Caches an image whose length is known.
fn fill_sized(cache: &ImageCache, id: &str, image: &[u8]) -> Outcome {
    cache.cache_image(id, image, sized(image.len() as u64)).expect("the source is sound")
}

/// Reads an image through the cache, which does not store it, and returns the reason.
fn passes(cache: &ImageCache, id: &str, image: &[u8], expected: Expected) -> Tested<String> {
    let expected = expected.with_md5(&md5_hex(image))?;
    let mut reader = cache.caching_reader(id, image, expected)?;
    let (came, end) = read_until_error(&mut reader, 50_000);
    end?;
    assert!(came == image, "the reader gets every byte");
    assert!(!cache.is_cached(id)? && !cache.is_being_cached(id)?);
    match reader.outcome() {
        Some(Outcome::CacheFailed(reason)) => Ok(reason.to_string()),
        other => panic!("{id}: {other:?}"),
    }
}

fn hard(temp: &TempCache, max_size: u64) -> ImageCache {
    temp.open_with(|config| config.max_size(max_size).hard_limit(true))
}
