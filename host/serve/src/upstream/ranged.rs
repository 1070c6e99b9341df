//! Requests to the upstream for a part of an image.

use hyper::StatusCode;
use hyper::header::HeaderValue;

/// Requests for parts.
pub struct Ranged;

impl Ranged {
    /// A Range from there to the end.
    pub fn from(offset: u64) -> HeaderValue {
        HeaderValue::try_from(format!("bytes={offset}-")).expect("digits are a header's value")
    }

    /// The Range of the first byte.
    pub fn first_byte() -> HeaderValue {
        HeaderValue::from_static("bytes=0-0")
    }

    /// Whether it is the Range that the upstream cannot do with, not the request: stores that cannot read ranges.
    pub fn is_not_for(status: StatusCode) -> bool {
        let not_for = [
            StatusCode::BAD_REQUEST,
            StatusCode::RANGE_NOT_SATISFIABLE,
            StatusCode::NOT_IMPLEMENTED,
        ];
        not_for.contains(&status)
    }
}
