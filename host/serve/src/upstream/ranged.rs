//! Requests to the upstream for a part of an image.

use hyper::StatusCode;
use hyper::header::HeaderValue;

/// A Range from there to the end.
pub fn range_from(offset: u64) -> HeaderValue {
    HeaderValue::try_from(format!("bytes={offset}-")).expect("digits are a header's value")
}

/// Whether it is the Range that the upstream cannot do with, not the request: stores that cannot read ranges.
pub fn cannot_do_ranges(status: StatusCode) -> bool {
    let cannot =
        [StatusCode::BAD_REQUEST, StatusCode::RANGE_NOT_SATISFIABLE, StatusCode::NOT_IMPLEMENTED];
    cannot.contains(&status)
}
