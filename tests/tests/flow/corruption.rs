//! Corruption on disk: it is detected before a damaged byte is served, whatever its cause and time.

mod digest_files;
mod reading;
mod recovering;
mod scrubbing;
mod whole_files;
mod without_digests;

use image_cache::{Error, ImageCache};
use image_cache_tests::{TempCache, read_until_error};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::Path;

const MIB: usize = 1 << 20;

/// Flips one bit of a file, and keeps its times.
pub fn flip(file: &Path, at: u64) -> io::Result<()> {
    let modified = fs::metadata(file)?.modified()?;
    let open = File::options().read(true).write(true).open(file)?;
    let mut byte = [0];
    open.read_exact_at(&mut byte, at)?;
    open.write_all_at(&[byte[0] ^ 1 << (at % 8)], at)?;
    open.set_modified(modified)
}

/// Reads the image up to its error, and asserts that it is damaged.
#[track_caller]
pub fn refused(cache: &ImageCache, id: &str) -> Vec<u8> {
    let (came, end) = match cache.open_for_read(id) {
        Ok(Some(mut reader)) => read_until_error(&mut reader, 3 * MIB),
        Ok(None) => panic!("{id} is not cached"),
        Err(error) => (Vec::new(), Err(error.into())),
    };
    let error = end.expect_err("it is damaged");
    assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
    assert!(matches!(Error::of_io(&error), Some(Error::Corrupt { .. })), "{error}");
    came
}

fn digests(temp: &TempCache) -> usize {
    temp.names(".image-cache/blocks").len()
}

/// The only digest file.
pub fn only_digests(temp: &TempCache) -> std::path::PathBuf {
    let names = temp.names(".image-cache/blocks");
    assert_eq!(names.len(), 1, "{names:?}");
    names
        .into_iter()
        .map(|name| temp.path(&format!(".image-cache/blocks/{name}")))
        .next()
        .expect("one")
}
