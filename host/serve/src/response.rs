//! Response headers: for the service's own responses, and for images from the cache.

use super::body;
use super::body::Body;
use super::cache_status::{CacheStatus, Reason};
use super::range::Part;
use super::stored_response::StoredResponse;
use super::upstream::UpstreamError;
use headers::{ContentRange, HeaderMapExt};
use hyper::header::HeaderValue;
use hyper::{Response, StatusCode, header};

/// Marks a response as bypassing the cache, with the reason.
pub fn bypassed<B>(reason: Reason, response: Response<B>) -> Response<B> {
    CacheStatus::Bypass(reason).mark(response)
}

/// A response of the service itself.
pub fn refuse(status: StatusCode, words: &'static str) -> Response<Body> {
    let mut response = Response::new(body::full(words));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}

/// Why the upstream did not respond, in a response of [`upstream_failed`].
#[derive(Debug, Clone)]
pub struct UpstreamFault(pub String);

/// The response to a client if the upstream does not respond.
pub fn upstream_failed(error: &UpstreamError) -> Response<Body> {
    let mut response = failure_response(error);
    response.extensions_mut().insert(UpstreamFault(error.to_string()));
    response
}

fn failure_response(error: &UpstreamError) -> Response<Body> {
    match error {
        UpstreamError::Malformed => refuse(StatusCode::BAD_REQUEST, "the path is malformed\n"),
        UpstreamError::Unreachable(reason)
        | UpstreamError::BrokeOff(reason)
        | UpstreamError::Unreadable(reason) => {
            tracing::warn!(reason, "the upstream cannot be reached");
            refuse(StatusCode::BAD_GATEWAY, "the upstream cannot be reached\n")
        }
        UpstreamError::ClientStalled => {
            tracing::debug!("a client did not send the rest of its request in time");
            let words = "the rest of the request did not arrive in time\n";
            let mut response = refuse(StatusCode::REQUEST_TIMEOUT, words);
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
            response
        }
        UpstreamError::TimedOut => {
            tracing::warn!("the upstream does not respond in time");
            refuse(StatusCode::GATEWAY_TIMEOUT, "the upstream does not respond in time\n")
        }
    }
}

/// The header of the response with an image or a part of it; `Unsatisfiable` parts have no body.
pub fn head(stored: &StoredResponse, size: u64, part: &Part) -> Response<()> {
    let mut response = Response::new(());
    let headers = response.headers_mut();
    headers.clone_from(stored.headers());
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let (status, length) = match part {
        Part::All => (StatusCode::OK, size),
        Part::Some(range) => {
            // It never fails for a range that has an end.
            if let Ok(part) = ContentRange::bytes(range.clone(), size) {
                headers.typed_insert(part);
            }
            (StatusCode::PARTIAL_CONTENT, range.end - range.start)
        }
        Part::Unsatisfiable => {
            // Fields that describe the image do not describe this response.
            headers.clear();
            headers.typed_insert(ContentRange::unsatisfied_bytes(size));
            (StatusCode::RANGE_NOT_SATISFIABLE, 0)
        }
    };
    headers.insert(header::CONTENT_LENGTH, length.into());
    *response.status_mut() = status;
    response
}

/// The header of the response to a client that already has this image (304).
pub fn not_modified(stored: &StoredResponse) -> Response<()> {
    let mut response = head(stored, 0, &Part::All);
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response.headers_mut().remove(header::CONTENT_LENGTH);
    response
}
