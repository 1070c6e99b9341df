//! The names of the attributes, and the interpretation of their values.

use image_cache_driver_sdk::attributes;
use image_cache_driver_sdk::checksum_from_hex;
use image_cache_driver_sdk::files::File;
use image_cache_driver_sdk::prelude::{Level, log};
use image_cache_driver_sdk::types::{Checksum, Error};

/// The hits as decimal text, an attribute of Glance. A file with this attribute is in the records.
pub const HITS: &str = "hits";

/// The checksum with the size and time of its file: `HEX SIZE MODIFIED`, in bytes and microseconds. Glance has no such attribute.
pub const CHECKSUM: &str = "checksum";

/// The value of an attribute; none if the attribute does not exist, or if the file no longer exists.
pub fn read(image_id: &str, name: &str) -> Result<Option<Vec<u8>>, Error> {
    match attributes::get(image_id, name) {
        Err(Error::NotFound) => Ok(None),
        // Another program wrote it. The attribute exists, but its value is ignored.
        Err(Error::TooLarge) => Ok(Some(Vec::new())),
        answer => answer,
    }
}

/// The same for reading records: if this process may not read a file, the file counts as having no record, and the log names it.
pub fn read_known(image_id: &str, name: &str) -> Result<Option<Vec<u8>>, Error> {
    match read(image_id, name) {
        Err(Error::Denied) => {
            log(
                Level::Warn,
                &format!(
                    "the attributes of {image_id} may not be read: it is left out of the records"
                ),
            );
            Ok(None)
        }
        answer => answer,
    }
}

/// Removes an attribute, if the file and the attribute are there.
pub fn remove(image_id: &str, name: &str) -> Result<(), Error> {
    match attributes::remove(image_id, name) {
        Err(Error::NotFound) => Ok(()),
        answer => answer,
    }
}

/// The hits in an attribute; a negative number or another value is 0, and the maximum is the largest number that the host
/// accepts.
pub fn to_hits(bytes: &[u8]) -> u64 {
    let text = std::str::from_utf8(bytes.trim_ascii()).unwrap_or_default();
    text.parse().unwrap_or(0).min(i64::MAX as u64)
}

/// The value of the attribute that binds a checksum to its file.
pub fn of_checksum(checksum: &Checksum, file: &File) -> Vec<u8> {
    format!("{} {} {}", checksum.value, file.size, file.modified).into_bytes()
}

/// The checksum in an attribute; none if the file has other bytes: its size or modification time differs, or was not stored.
pub fn to_checksum(bytes: &[u8], file: &File) -> Option<Checksum> {
    let mut words = std::str::from_utf8(bytes).ok()?.split_ascii_whitespace();
    let hex = words.next()?;
    let size: u64 = words.next()?.parse().ok()?;
    let modified: u64 = words.next()?.parse().ok()?;
    let same = size == file.size && modified == file.modified;
    if same { checksum_from_hex(hex) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image_cache_driver_sdk::types::ChecksumAlgorithm;

    fn file(size: u64, modified: u64) -> File {
        File { image_id: "a".into(), size, modified, accessed: 0 }
    }

    #[test]
    fn garbage_is_no_hits() {
        assert_eq!(to_hits(b"12"), 12);
        assert_eq!(to_hits(b" 7\n"), 7);
        assert_eq!(to_hits(b"9223372036854775808"), 9_223_372_036_854_775_807);
        for garbage in [&b""[..], b"-3", b"many", b"1.5", b"\xff\xfe", b"99999999999999999999999"] {
            assert_eq!(to_hits(garbage), 0, "{garbage:?}");
        }
    }

    #[test]
    fn a_checksum_is_valid_only_for_its_file() {
        let sum =
            Checksum { algorithm: ChecksumAlgorithm::Md5, value: "0123456789abcdef".repeat(2) };
        let bytes = of_checksum(&sum, &file(10, 99));
        assert_eq!(to_checksum(&bytes, &file(10, 99)), Some(sum));
        assert_eq!(to_checksum(&bytes, &file(11, 99)), None);
        assert_eq!(to_checksum(&bytes, &file(10, 98)), None);
    }

    #[test]
    fn a_checksum_that_is_bound_to_nothing_is_none() {
        let hex = "0123456789abcdef".repeat(2);
        for text in
            [hex.as_str(), "", "x 10 99", "zz", &format!("{hex} 10"), &format!("{hex} ten 99")]
        {
            assert_eq!(to_checksum(text.as_bytes(), &file(10, 99)), None, "{text:?}");
        }
        assert_eq!(to_checksum(b"\xff 1 2", &file(1, 2)), None);
    }
}
