//! Which fields a message loses or needs when it is forwarded to another connection (RFC 9110, 7.6; RFC 9112, 6).

use super::failure::UpstreamError;
use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderName};
use hyper::{Response, Version, header};

/// Connection-specific fields (RFC 9110, 7.6.1).
const HOP_BY_HOP: [HeaderName; 10] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-authentication-info"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Fields that state who may get a response, and how its bytes are read: they are always forwarded, even if
/// Connection names them (RFC 9110, 7.6.1).
const NEVER_HOP_BY_HOP: [HeaderName; 10] = [
    header::AGE,
    header::CACHE_CONTROL,
    header::CONTENT_ENCODING,
    header::CONTENT_TYPE,
    header::DATE,
    header::ETAG,
    header::EXPIRES,
    header::PRAGMA,
    header::SET_COOKIE,
    header::VARY,
];

/// Whether the end of a response can be distinguished from a broken connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IsFramed(pub bool);

/// A response with at most one length and without connection-specific fields.
pub fn well_formed(mut response: Response<Incoming>) -> Result<Response<Incoming>, UpstreamError> {
    let headers = response.headers();
    let is_chunked = headers.contains_key(header::TRANSFER_ENCODING);
    let codings = headers.get_all(header::TRANSFER_ENCODING);
    // The service cannot decode another coding, and cannot detect its end.
    if !codings.iter().all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked")) {
        return Err(UpstreamError::Unreadable(
            "its Transfer-Encoding is not just chunked".to_owned(),
        ));
    }
    let is_framed = is_chunked || headers.contains_key(header::CONTENT_LENGTH);
    let length = said_length(headers)?;
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    if let Some(length) = length.filter(|_| !is_chunked) {
        headers.insert(header::CONTENT_LENGTH, length.into());
    }
    strip(headers);
    *response.version_mut() = Version::HTTP_11;
    response.extensions_mut().insert(IsFramed(is_framed));
    Ok(response)
}

/// The length in all lines of Content-Length; an error if they differ.
fn said_length(headers: &HeaderMap) -> Result<Option<u64>, UpstreamError> {
    let malformed = || UpstreamError::Unreadable("its Content-Length is malformed".to_owned());
    let mut said = None;
    for line in headers.get_all(header::CONTENT_LENGTH) {
        let line = line.to_str().map_err(|_| malformed())?;
        for length in line.split(',') {
            let length: u64 = length.trim().parse().map_err(|_| malformed())?;
            if said.is_some_and(|said| said != length) {
                return Err(malformed());
            }
            said = Some(length);
        }
    }
    Ok(said)
}

/// Removes connection-specific fields.
pub fn strip(headers: &mut HeaderMap) {
    for name in HOP_BY_HOP.iter().chain(&named_by_connection(headers)) {
        headers.remove(name);
    }
}

/// The fields that Connection names. Its lines may contain any bytes.
pub fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let lines = headers.get_all(header::CONNECTION).iter();
    let names = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let names = names.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok());
    names.filter(|name| !NEVER_HOP_BY_HOP.contains(name)).collect()
}
