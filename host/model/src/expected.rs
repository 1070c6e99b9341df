//! The expected size and checksums of an image.

use crate::checksum::{Checksum, ChecksumAlgorithm, InvalidChecksum};

/// The size and the checksums that the bytes of an image must have; what is not set is not checked.
///
/// It has at most one checksum of each algorithm: a later one replaces an earlier one. If there are several, all must match.
///
/// ```
/// use image_cache_model::{Checksum, ChecksumAlgorithm, Expected};
/// let expected = Expected::nothing()
///     .with_size(5)
///     .with_md5("5d41402abc4b2a76b9719d911017c592")?
///     .with_sha256("2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824")?;
/// assert_eq!((expected.size, expected.checksums().len()), (Some(5), 2));
///
/// // An algorithm that is known only at run time, such as Glance's `os_hash_algo`.
/// let algorithm: ChecksumAlgorithm = "md5".parse()?;
/// let other = Checksum::new(algorithm, "d41d8cd98f00b204e9800998ecf8427e")?;
/// let expected = expected.with_checksum(other.clone());
/// assert_eq!(expected.checksum(ChecksumAlgorithm::Md5), Some(&other));
/// assert!(expected.with_md5("")?.checksum(ChecksumAlgorithm::Md5).is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// Bytes in the image.
    pub size: Option<u64>,
    /// Sorted by algorithm, at most one of each.
    checksums: Vec<Checksum>,
}

impl Expected {
    /// Expects nothing: the image is cached without a check.
    pub fn nothing() -> Self {
        Expected::default()
    }

    /// Expects this number of bytes.
    #[must_use]
    pub fn with_size(mut self, size: u64) -> Self {
        self.size = Some(size);
        self
    }

    /// Expects this MD5, 32 hexadecimal digits in upper or lower case; an empty text means no MD5.
    pub fn with_md5(self, md5: &str) -> Result<Self, InvalidChecksum> {
        self.with_digits(ChecksumAlgorithm::Md5, md5)
    }

    /// Expects this SHA-256, 64 hexadecimal digits in upper or lower case; an empty text means no SHA-256.
    pub fn with_sha256(self, sha256: &str) -> Result<Self, InvalidChecksum> {
        self.with_digits(ChecksumAlgorithm::Sha256, sha256)
    }

    /// Expects this SHA-512, 128 hexadecimal digits in upper or lower case; an empty text means no SHA-512.
    pub fn with_sha512(self, sha512: &str) -> Result<Self, InvalidChecksum> {
        self.with_digits(ChecksumAlgorithm::Sha512, sha512)
    }

    /// Expects this checksum.
    #[must_use]
    pub fn with_checksum(self, checksum: Checksum) -> Self {
        let mut expected = self.without(checksum.algorithm());
        let is_before = |other: &Checksum| other.algorithm() < checksum.algorithm();
        let at = expected.checksums.partition_point(is_before);
        expected.checksums.insert(at, checksum);
        expected
    }

    /// The expected checksums, sorted by algorithm.
    pub fn checksums(&self) -> &[Checksum] {
        &self.checksums
    }

    /// The expected checksum of this algorithm.
    pub fn checksum(&self, algorithm: ChecksumAlgorithm) -> Option<&Checksum> {
        self.checksums.iter().find(|checksum| checksum.algorithm() == algorithm)
    }

    fn with_digits(
        self,
        algorithm: ChecksumAlgorithm,
        digits: &str,
    ) -> Result<Self, InvalidChecksum> {
        Ok(match digits {
            "" => self.without(algorithm),
            digits => self.with_checksum(Checksum::new(algorithm, digits)?),
        })
    }

    fn without(mut self, algorithm: ChecksumAlgorithm) -> Self {
        self.checksums.retain(|checksum| checksum.algorithm() != algorithm);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_checksum_of_each_algorithm_and_the_last_one_counts()
    -> Result<(), InvalidChecksum> {
        let (first, second) = ("0".repeat(128), "F".repeat(128));
        let md5 = "1".repeat(32);
        let expected = Expected::nothing().with_sha512(&first)?.with_md5(&md5)?;
        let expected = expected.with_sha512(&second)?;
        let found: Vec<&str> = expected.checksums().iter().map(Checksum::value).collect();
        assert_eq!(found, [&md5, &"f".repeat(128)]);
        let other_order = Expected::nothing().with_md5(&md5)?.with_sha512(&second)?;
        assert_eq!(expected, other_order);
        assert_eq!(expected.with_md5("")?.with_sha512("")?, Expected::nothing());
        Ok(())
    }

    #[test]
    fn a_checksum_of_another_algorithm_is_refused_with_the_length() {
        let (md5, sha256) = ("0".repeat(32), "0".repeat(64));
        let refused = [
            (Expected::nothing().with_md5(&sha256), "MD5 checksum: 32 "),
            (Expected::nothing().with_sha256(&md5), "SHA-256 checksum: 64 "),
            (Expected::nothing().with_sha512(&sha256), "SHA-512 checksum: 128 "),
        ];
        for (refused, words) in refused {
            let error = refused.expect_err(words).to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
