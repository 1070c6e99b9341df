//! What the bytes of an image must be, from Python's arguments.

use crate::errors::checksum_exception;
use image_cache::{Checksum, ChecksumAlgorithm, Expected};
use pyo3::prelude::*;

/// An expected checksum: its algorithm, and its digits if it is expected.
pub type Digits<'a> = (ChecksumAlgorithm, Option<&'a str>);

/// The expectation. A checksum of the wrong length is an error, and so is an empty one: a caller whose checksum is missing must not get
/// an image without a check.
pub fn expected(py: Python<'_>, size: Option<u64>, all: [Digits<'_>; 3]) -> PyResult<Expected> {
    let mut expected = Expected::nothing();
    expected.size = size;
    for (algorithm, digits) in all {
        if let Some(digits) = digits {
            let checksum = Checksum::new(algorithm, digits);
            let checksum = checksum.map_err(|error| checksum_exception(py, &error))?;
            expected = expected.with_checksum(checksum);
        }
    }
    Ok(expected)
}
