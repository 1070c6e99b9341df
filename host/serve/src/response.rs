//! Heads of responses: of the service itself, and with images from the cache.

use super::body;
use super::body::Body;
use super::cache_status::{CacheStatus, Reason};
use super::range::Part;
use super::stored_response::StoredResponse;
use super::upstream::UpstreamError;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Response, StatusCode, header};

/// Says that a response came past the cache, and why.
pub fn bypassed<B>(reason: Reason, response: Response<B>) -> Response<B> {
    CacheStatus::Bypass(reason).mark(response)
}

/// A response of our own.
pub fn refuse(status: StatusCode, words: &'static str) -> Response<Body> {
    let mut response = Response::new(body::full(words));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}

/// What a client is told if the upstream does not respond.
pub fn upstream_failed(error: &UpstreamError) -> Response<Body> {
    match error {
        UpstreamError::Malformed => refuse(StatusCode::BAD_REQUEST, "the path is malformed\n"),
        UpstreamError::Unreachable(reason)
        | UpstreamError::BrokeOff(reason)
        | UpstreamError::Unreadable(reason) => {
            tracing::warn!(reason, "the upstream cannot be reached");
            refuse(StatusCode::BAD_GATEWAY, "the upstream cannot be reached\n")
        }
        UpstreamError::ClientStalled => {
            tracing::debug!("a client does not send the rest of its request in time");
            let words = "the rest of the request did not come in time\n";
            let mut response = refuse(StatusCode::REQUEST_TIMEOUT, words);
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
            response
        }
        UpstreamError::TimedOut => {
            tracing::warn!("the upstream does not answer in time");
            refuse(StatusCode::GATEWAY_TIMEOUT, "the upstream does not answer in time\n")
        }
    }
}

/// The head of the response with an image or a part of it; `unsatisfiable` parts have no body.
pub fn head(stored: &StoredResponse, size: u64, part: &Part) -> Response<()> {
    let mut response = Response::new(());
    let headers = response.headers_mut();
    headers.clone_from(stored.headers());
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let length = match part {
        Part::All => size,
        Part::Some(range) => {
            let (first, last) = (range.start, range.end - 1);
            set(headers, header::CONTENT_RANGE, format!("bytes {first}-{last}/{size}"));
            range.end - range.start
        }
        Part::Unsatisfiable => {
            // What describes the image does not describe this response.
            headers.clear();
            set(headers, header::CONTENT_RANGE, format!("bytes */{size}"));
            0
        }
    };
    set(headers, header::CONTENT_LENGTH, length.to_string());
    *response.status_mut() = match part {
        Part::All => StatusCode::OK,
        Part::Some(_) => StatusCode::PARTIAL_CONTENT,
        Part::Unsatisfiable => StatusCode::RANGE_NOT_SATISFIABLE,
    };
    response
}

/// The head of the response to a client that has this very image (304).
pub fn not_modified(stored: &StoredResponse) -> Response<()> {
    let mut response = head(stored, 0, &Part::All);
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response.headers_mut().remove(header::CONTENT_LENGTH);
    response
}

fn set(headers: &mut hyper::HeaderMap, name: HeaderName, value: String) {
    // Digits and a few signs are a header's value.
    if let Ok(value) = HeaderValue::from_maybe_shared(bytes::Bytes::from(value)) {
        headers.insert(name, value);
    }
}
