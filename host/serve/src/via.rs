//! Via: the proxies that have forwarded a message (RFC 9110, 7.6.3).

use hyper::header::{HeaderMap, HeaderValue};
use hyper::{Version, header};

/// Adds this proxy to Via.
pub fn add(headers: &mut HeaderMap, received: Version) {
    let value = if received == Version::HTTP_10 { "1.0 image-cache" } else { "1.1 image-cache" };
    headers.append(header::VIA, HeaderValue::from_static(value));
}
