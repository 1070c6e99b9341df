//! The images of the cases: ids, records, times and files.

use image_cache_model::{CachedImage, Checksum, ChecksumAlgorithm, ImageId};
use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The suite's times are a few seconds around 2023-11-14, with microseconds, which a coarser clock would lose.
const START: Duration = Duration::new(1_700_000_000, 123_457_000);

/// A record with this size, without hits and checksum.
pub(super) fn image(name: &str, size: u64) -> CachedImage {
    CachedImage::new(id(name), size, at(-60)).with_last_accessed(at(0))
}

/// The same, last accessed this many seconds after the suite's start.
pub(super) fn image_accessed(name: &str, size: u64, seconds: i64) -> CachedImage {
    image(name, size).with_last_accessed(at(seconds))
}

/// A record with an MD5 of one repeated digit.
pub(super) fn image_with_md5(name: &str, size: u64, digit: char) -> CachedImage {
    image(name, size).with_checksum(Some(checksum(ChecksumAlgorithm::Md5, digit)))
}

/// A checksum of one repeated digit.
pub(super) fn checksum(algorithm: ChecksumAlgorithm, digit: char) -> Checksum {
    let digits = digit.to_string().repeat(algorithm.hex_digits());
    Checksum::new(algorithm, &digits)
        .expect("it has as many hexadecimal digits as the algorithm needs")
}

/// An image id; the suite's own are all valid.
pub(super) fn id(name: &str) -> ImageId {
    name.parse().expect("the suite uses valid names")
}

pub(super) fn ids(names: &[&str]) -> Vec<ImageId> {
    names.iter().map(|name| id(name)).collect()
}

/// This many seconds after the suite's start.
pub(super) fn at(seconds: i64) -> SystemTime {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    UNIX_EPOCH + if seconds < 0 { START - distance } else { START + distance }
}

/// Creates or changes a sparse file, so that its size and modification time are the record's.
pub(super) fn write_file(path: &Path, image: &CachedImage) -> io::Result<File> {
    let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
    file.set_len(image.size)?;
    file.set_modified(image.last_modified)?;
    Ok(file)
}
