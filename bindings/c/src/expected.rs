//! The expected size and digests of an image, as C states them.

use crate::failure::{Failure, Result};
use crate::text::optional_text;
use image_cache::{Checksum, ChecksumAlgorithm, Error, Expected};
use std::ffi::c_char;

/// The expectation of these two arguments: a size below 0 and NULL expect nothing.
///
/// # Safety
/// `digests` is as for [`text`](crate::text::text).
pub(crate) unsafe fn expected(size: i64, digests: *const c_char) -> Result<Expected> {
    let expected = match u64::try_from(size) {
        Ok(size) => Expected::nothing().with_size(size),
        Err(_) => Expected::nothing(),
    };
    // SAFETY: as the caller states.
    let digests = unsafe { optional_text(digests, "expected_digests") }?.unwrap_or_default();
    let digests = digests.split([' ', ',']).filter(|digest| !digest.is_empty());
    digests.map(parts).try_fold(expected, |expected, digest| {
        let (algorithm, digits) = digest?;
        with_digest(expected, algorithm, digits)
    })
}

fn parts(digest: &str) -> Result<(&str, &str)> {
    digest.split_once(':').ok_or_else(|| {
        let shown: String = digest.chars().take(140).collect();
        Failure::argument(format!(
            "expected_digests: {shown:?} has no algorithm; accepted: \"md5:\", \"sha256:\" or \"sha512:\" and hexadecimal digits"
        ))
    })
}

fn with_digest(expected: Expected, algorithm: &str, digits: &str) -> Result<Expected> {
    let Ok(known) = algorithm.parse::<ChecksumAlgorithm>() else {
        let shown: String = algorithm.chars().take(40).collect();
        return Err(Failure::argument(format!(
            "expected_digests: the algorithm {shown:?} is not known; accepted: md5, sha256, sha512"
        )));
    };
    if digits.is_empty() {
        return Err(Failure::argument(format!("expected_digests: \"{algorithm}:\" has no digits")));
    }
    let checksum = Checksum::new(known, digits).map_err(Error::from)?;
    if expected.checksum(known).is_some_and(|other| *other != checksum) {
        let text = format!("expected_digests: there are two different digests of {algorithm}");
        return Err(Failure::argument(text));
    }
    Ok(expected.with_checksum(checksum))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(size: i64, digests: &std::ffi::CStr) -> std::result::Result<Expected, String> {
        // SAFETY: a `CStr` ends with NUL.
        unsafe { expected(size, digests.as_ptr()) }.map_err(|failure| failure.text)
    }

    #[test]
    fn digests_that_are_not_accepted_are_named() {
        let md5 = c"md5:d41d8cd98f00b204e9800998ecf8427e";
        assert!(parsed(0, md5).is_ok_and(|it| it.size == Some(0) && it.checksums().len() == 1));
        assert_eq!(parsed(-1, c" , "), Ok(Expected::nothing()));
        for (digests, word) in [
            (c"d41d8cd98f00b204e9800998ecf8427e", "no algorithm"),
            (c"md5:d41d8cd98f00b204e9800998ecf8427", "32 hexadecimal digits"),
            (c"md5:", "no digits"),
            (c"sha512:d41d8cd98f00b204e9800998ecf8427e", "128 hexadecimal digits"),
            (c"crc32:00000000", "\"crc32\" is not known"),
            (c"md5:\xff", "not UTF-8 after 4 bytes"),
            (
                c"md5:d41d8cd98f00b204e9800998ecf8427e,md5:d41d8cd98f00b204e9800998ecf8427f",
                "two different digests of md5",
            ),
        ] {
            let fault = parsed(-1, digests).expect_err("it is not accepted");
            assert!(fault.contains(word), "{fault}");
        }
    }
}
