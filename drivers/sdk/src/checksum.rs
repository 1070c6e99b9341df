//! Checksums as stored text: the number of digits determines the algorithm.

use crate::types::{Checksum, ChecksumAlgorithm};

/// Reads a checksum from hexadecimal digits: 32 are MD5, 64 SHA-256, 128 SHA-512; letter case is ignored. Any other text,
/// including the empty text, is not a checksum.
///
/// ```
/// use image_cache_driver_sdk::{checksum_from_hex, types::ChecksumAlgorithm};
/// let sum = checksum_from_hex("D41D8CD98F00B204E9800998ECF8427E").unwrap();
/// assert_eq!(sum.algorithm, ChecksumAlgorithm::Md5);
/// assert_eq!(sum.value, "d41d8cd98f00b204e9800998ecf8427e");
/// assert!(checksum_from_hex("none").is_none());
/// ```
pub fn checksum_from_hex(hex: &str) -> Option<Checksum> {
    let algorithm = match hex.len() {
        32 => ChecksumAlgorithm::Md5,
        64 => ChecksumAlgorithm::Sha256,
        128 => ChecksumAlgorithm::Sha512,
        _ => return None,
    };
    let digits = hex.bytes().all(|b| b.is_ascii_hexdigit());
    digits.then(|| Checksum { algorithm, value: hex.to_ascii_lowercase() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_tells_the_algorithm() {
        let algorithm = |digits: usize| checksum_from_hex(&"a".repeat(digits)).map(|c| c.algorithm);
        assert_eq!(algorithm(32), Some(ChecksumAlgorithm::Md5));
        assert_eq!(algorithm(64), Some(ChecksumAlgorithm::Sha256));
        assert_eq!(algorithm(128), Some(ChecksumAlgorithm::Sha512));
        assert_eq!(algorithm(40), None);
        assert_eq!(algorithm(0), None);
    }

    #[test]
    fn text_that_is_not_hexadecimal_is_not_a_checksum() {
        assert_eq!(checksum_from_hex(&"g".repeat(32)), None);
        assert_eq!(checksum_from_hex(&"ä".repeat(16)), None);
    }
}
