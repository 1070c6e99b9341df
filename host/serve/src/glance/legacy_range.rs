//! Glance's older form of a range: `Content-Range: bytes 0-9/*` in a request.

use hyper::header::{self, HeaderValue};
use hyper::http::request::Parts;

/// Converts a Content-Range into a Range, if the request has no Range.
pub fn as_range(mut head: Parts) -> Parts {
    let said = head.headers.get(header::CONTENT_RANGE).and_then(|said| said.to_str().ok());
    let range = said.and_then(|said| {
        let (unit, range) = said.trim().split_once(' ')?;
        let (range, _) = range.split_once('/')?;
        let is_range = unit.eq_ignore_ascii_case("bytes") && range.contains('-');
        is_range.then(|| format!("bytes={}", range.trim()))
    });
    if let Some(Ok(range)) = range.map(HeaderValue::try_from)
        && !head.headers.contains_key(header::RANGE)
    {
        head.headers.remove(header::CONTENT_RANGE);
        head.headers.insert(header::RANGE, range);
    }
    head
}
