//! The guarantees, and their common helpers.

mod cached;
mod fetching;

pub use cached::*;
pub use fetching::*;

use super::{Reader, Reads, Store};
use image_cache_tests::{TempCache, Tested, md5_hex, read_until_error, until};
use std::fs;
use std::io::{self, Read};

const MIB: usize = 1 << 20;

/// Reads a number of bytes, which must be available.
fn take(reader: &mut Reader, count: usize) -> io::Result<Vec<u8>> {
    let mut came = vec![0; count];
    reader.read_exact(&mut came)?;
    Ok(came)
}

/// Reads with all readers at the same time.
fn read_together(readers: Vec<Reader>) -> Vec<(Vec<u8>, io::Result<()>)> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = readers
            .into_iter()
            .enumerate()
            .map(|(n, mut reader)| {
                scope.spawn(move || read_until_error(&mut reader, 3000 + n * 10_001))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no reader panics")).collect()
    })
}

/// Waits until the image is cached.
fn is_cached(temp: &TempCache) -> bool {
    until(|| temp.path("a").is_file() && temp.names("incomplete").is_empty())
}

/// Waits until no fetch runs; asserts that nothing is cached.
fn assert_nothing_cached(temp: &TempCache) {
    assert!(until(|| temp.names("incomplete").is_empty()), "the fetch continues");
    assert!(temp.images().is_empty() && temp.records_in_sync().is_empty());
}

/// Closes the cache, and asserts that it has only this image with these hits.
fn assert_leaves(reads: impl Reads, temp: &TempCache, store: &Store, hits: u64) -> Tested {
    assert!(until(|| store.source.running() == 0), "a source is not let go");
    assert!(is_cached(temp));
    assert_eq!(reads.close()?.unwrap_or_default(), 0, "failures of the cache");
    assert!(fs::read(temp.path("a"))? == store.image, "the cached image");
    let records = temp.records_in_sync();
    assert_eq!(records["a"].checksum.as_ref(), Some(&md5_hex(&store.image)));
    assert_eq!(records["a"].hits, hits, "hits");
    Ok(())
}
