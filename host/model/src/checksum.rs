//! Checksums of an image's bytes, expected or computed.

use std::fmt;

/// The algorithm of a [`Checksum`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChecksumAlgorithm {
    /// MD5 (RFC 1321), 32 hexadecimal digits.
    Md5,
    /// SHA-256 (FIPS 180-4), 64 hexadecimal digits.
    Sha256,
    /// SHA-512 (FIPS 180-4), 128 hexadecimal digits.
    Sha512,
}

impl ChecksumAlgorithm {
    /// Number of hexadecimal digits of a checksum of this algorithm.
    pub fn hex_digits(self) -> usize {
        match self {
            ChecksumAlgorithm::Md5 => 32,
            ChecksumAlgorithm::Sha256 => 64,
            ChecksumAlgorithm::Sha512 => 128,
        }
    }
}

impl fmt::Display for ChecksumAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ChecksumAlgorithm::Md5 => "MD5",
            ChecksumAlgorithm::Sha256 => "SHA-256",
            ChecksumAlgorithm::Sha512 => "SHA-512",
        })
    }
}

/// A checksum of an image's bytes, in lower-case hexadecimal.
///
/// ```
/// use image_cache_model::{Checksum, ChecksumAlgorithm};
/// let sum = Checksum::new(ChecksumAlgorithm::Md5, "D41D8CD98F00B204E9800998ECF8427E")?;
/// assert_eq!(sum.value(), "d41d8cd98f00b204e9800998ecf8427e");
/// # Ok::<(), image_cache_model::InvalidChecksum>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Checksum {
    algorithm: ChecksumAlgorithm,
    value: Box<str>,
}

/// Why a string is not a checksum.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not a valid {algorithm} checksum: {} hexadecimal digits are accepted", algorithm.hex_digits())]
pub struct InvalidChecksum {
    /// The string, shortened to a printable length.
    pub value: String,
    /// The algorithm.
    pub algorithm: ChecksumAlgorithm,
}

impl Checksum {
    /// Checks that the value has the right number of hexadecimal digits, in upper or lower case.
    pub fn new(algorithm: ChecksumAlgorithm, value: &str) -> Result<Self, InvalidChecksum> {
        if value.len() != algorithm.hex_digits() || !value.bytes().all(|b| b.is_ascii_hexdigit()) {
            let value = value.chars().take(140).collect();
            return Err(InvalidChecksum { value, algorithm });
        }
        Ok(Checksum { algorithm, value: value.to_ascii_lowercase().into() })
    }

    /// The algorithm.
    pub fn algorithm(&self) -> ChecksumAlgorithm {
        self.algorithm
    }

    /// The digits, in lower case.
    pub fn value(&self) -> &str {
        &self.value
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_not_an_md5_is_refused() {
        for bad in
            ["", "xyz", "d41d8cd98f00b204e9800998ecf8427", "g41d8cd98f00b204e9800998ecf8427e", "é"]
        {
            let error =
                Checksum::new(ChecksumAlgorithm::Md5, bad).map(|_| ()).map_err(|e| e.to_string());
            assert!(error.is_err_and(|e| e.contains("32 hexadecimal digits")), "{bad:?}");
        }
    }
}
