//! Requests to the upstream for a part of an image.

use hyper::StatusCode;
use hyper::header::HeaderValue;

/// A Range from this offset to the end.
pub fn range_from(offset: u64) -> HeaderValue {
    HeaderValue::try_from(format!("bytes={offset}-")).expect("digits are a valid value")
}

/// Whether the status means that the upstream does not support ranges, like some stores of Glance.
pub fn cannot_do_ranges(status: StatusCode) -> bool {
    let cannot =
        [StatusCode::BAD_REQUEST, StatusCode::RANGE_NOT_SATISFIABLE, StatusCode::NOT_IMPLEMENTED];
    cannot.contains(&status)
}
