//! What is expected of an image before it is fetched.

use crate::checksum::{Checksum, ChecksumAlgorithm, InvalidChecksum};

/// What the bytes of an image must agree with; a field that is not set is not checked.
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
    /// Nothing is known: the image is cached without a check.
    pub fn nothing() -> Self {
        Expected::default()
    }

    /// Expects this number of bytes.
    #[must_use]
    pub fn with_size(mut self, size: u64) -> Self {
        self.size = Some(size);
        self
    }

    /// Expects this MD5, 32 hexadecimal digits of either case; an empty text expects none.
    pub fn with_md5(mut self, md5: &str) -> Result<Self, InvalidChecksum> {
        self.md5 = match md5 {
            "" => None,
            digits => Some(Checksum::new(ChecksumAlgorithm::Md5, digits)?),
        };
        Ok(self)
    }
}
