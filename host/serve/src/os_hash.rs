//! Glance's hash of an image: `os_hash_algo` and `os_hash_value` in its record.

use image_cache::{Checksum, ChecksumAlgorithm};
use serde::{Deserialize, Serialize};

/// Glance's hash of an image, usually a SHA-512. Glance's `checksum` is always an MD5.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OsHash {
    algorithm: String,
    value: String,
}

impl OsHash {
    /// The hash, unless it is malformed, or by an algorithm that the cache does not compute: then it is not compared.
    pub fn new(algorithm: &str, value: &str) -> Option<OsHash> {
        let hash = OsHash { algorithm: algorithm.to_owned(), value: value.to_owned() };
        let checksum = hash.checksum()?;
        let algorithm = checksum.algorithm().name().to_owned();
        Some(OsHash { algorithm, value: checksum.value().to_owned() })
    }

    /// The same as a checksum; `None` if a stored one is malformed.
    pub fn checksum(&self) -> Option<Checksum> {
        let algorithm: ChecksumAlgorithm = self.algorithm.parse().ok()?;
        Checksum::new(algorithm, &self.value).ok()
    }

    /// Whether the two are hashes of different images.
    pub fn contradicts(&self, other: &OsHash) -> bool {
        self.algorithm == other.algorithm && self.value != other.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_that_the_cache_cannot_compute_is_none() {
        let right = "A".repeat(128);
        let hash = OsHash::new("sha512", &right).and_then(|hash| hash.checksum());
        assert_eq!(hash.map(|hash| hash.value().to_owned()), Some(right.to_lowercase()));
        let others = [("sha512", &right[1..]), ("sha3_512", &right), ("", ""), ("sha512", "")];
        for (algorithm, value) in others {
            assert_eq!(OsHash::new(algorithm, value), None, "{algorithm} {value}");
        }
    }

    #[test]
    fn hashes_by_different_algorithms_do_not_contradict_each_other() {
        let hash = |algorithm, digit: &str, count| {
            OsHash::new(algorithm, &digit.repeat(count)).expect("it is a hash")
        };
        let sha512 = hash("sha512", "a", 128);
        assert!(sha512.contradicts(&hash("SHA512", "b", 128)));
        assert!(!sha512.contradicts(&hash("sha512", "A", 128)));
        assert!(!sha512.contradicts(&hash("sha256", "b", 64)));
    }
}
