//! The expected size and checksum of an image.

use crate::checksum::{Checksum, ChecksumAlgorithm, InvalidChecksum};

/// The size and MD5 that the bytes of an image must have; an unset field is not checked.
///
/// ```
/// use image_cache_model::Expected;
/// let expected = Expected::default().with_size(5).with_md5("5d41402abc4b2a76b9719d911017c592")?;
/// assert_eq!(expected.size, Some(5));
/// assert!(Expected::default().with_md5("")?.md5.is_none());
/// # Ok::<(), image_cache_model::InvalidChecksum>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// Bytes in the image.
    pub size: Option<u64>,
    /// Their MD5.
    pub md5: Option<Checksum>,
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

    /// Expects this MD5, 32 hexadecimal digits in upper or lower case; an empty text sets no MD5.
    pub fn with_md5(mut self, md5: &str) -> Result<Self, InvalidChecksum> {
        self.md5 = match md5 {
            "" => None,
            digits => Some(Checksum::new(ChecksumAlgorithm::Md5, digits)?),
        };
        Ok(self)
    }
}
