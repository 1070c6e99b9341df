//! Checksums of an image's bytes, expected or computed.

use crate::config::UnknownChoice;
use std::fmt;
use std::str::FromStr;

/// The algorithm of a [`Checksum`]. Several checksums of one image are sorted in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ChecksumAlgorithm {
    /// MD5 (RFC 1321), 32 hexadecimal digits.
    Md5,
    /// SHA-256 (FIPS 180-4), 64 hexadecimal digits.
    Sha256,
    /// SHA-512 (FIPS 180-4), 128 hexadecimal digits.
    Sha512,
}

impl ChecksumAlgorithm {
    /// All algorithms.
    pub const ALL: &'static [ChecksumAlgorithm] =
        &[ChecksumAlgorithm::Md5, ChecksumAlgorithm::Sha256, ChecksumAlgorithm::Sha512];

    /// Its short name: `md5`, `sha256` or `sha512`, as in an option, and as Python's `hashlib` and Glance's `os_hash_algo` write it.
    pub fn name(self) -> &'static str {
        match self {
            ChecksumAlgorithm::Md5 => "md5",
            ChecksumAlgorithm::Sha256 => "sha256",
            ChecksumAlgorithm::Sha512 => "sha512",
        }
    }

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

/// Reads a [name](ChecksumAlgorithm::name), in upper or lower case.
impl FromStr for ChecksumAlgorithm {
    type Err = UnknownChoice;

    fn from_str(name: &str) -> Result<Self, UnknownChoice> {
        let mut all = ChecksumAlgorithm::ALL.iter().copied();
        let choice = all.find(|choice| choice.name().eq_ignore_ascii_case(name));
        let accepted = "md5, sha256 and sha512";
        choice.ok_or_else(|| UnknownChoice { found: name.to_owned(), accepted })
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
#[non_exhaustive]
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
    fn a_value_that_is_not_a_checksum_is_refused_with_the_algorithm_and_its_length() {
        let md5 = "d41d8cd98f00b204e9800998ecf8427e";
        for &algorithm in ChecksumAlgorithm::ALL {
            let digits = algorithm.hex_digits();
            let right = md5.repeat(digits / md5.len());
            assert!(
                Checksum::new(algorithm, &right.to_uppercase())
                    .is_ok_and(|sum| sum.value() == right)
            );
            let (short, long) = (&right[1..], format!("{right}0"));
            let other = format!("g{}", &right[1..]);
            let wide = format!("é{}", &right[2..]);
            for bad in ["", "xyz", "é", short, &long, &other, &wide] {
                let error = Checksum::new(algorithm, bad).expect_err(bad).to_string();
                let expected =
                    format!("not a valid {algorithm} checksum: {digits} hexadecimal digits");
                assert!(error.contains(&expected), "{error}");
            }
        }
    }

    #[test]
    fn an_algorithm_is_known_by_its_name() {
        for &algorithm in ChecksumAlgorithm::ALL {
            assert_eq!(algorithm.name().parse(), Ok(algorithm));
            assert_eq!(algorithm.name().to_uppercase().parse(), Ok(algorithm));
        }
        let error = "sha1".parse::<ChecksumAlgorithm>().expect_err("it is not supported");
        assert!(error.to_string().contains("md5, sha256 and sha512 are accepted"), "{error}");
    }
}
