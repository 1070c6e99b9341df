//! Answers: of our own, from the cache, and handed on.

use super::body;
use super::body::Body;
use super::cache_status::{CacheStatus, Reason};
use super::label::Label;
use super::range::Part;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Response, StatusCode, header};

/// Says that an answer came past the cache, and why.
pub fn bypassed<B>(reason: Reason, response: Response<B>) -> Response<B> {
    CacheStatus::Bypass(reason).mark(response)
}

/// An answer of our own.
pub fn refuse(status: StatusCode, words: &'static str) -> Response<Body> {
    let mut response = Response::new(body::full(words));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}

/// The head of an image's answer, or of a part of it; `unsatisfiable` parts have no body.
pub fn head(label: &Label, size: u64, part: &Part) -> Response<()> {
    let mut response = Response::new(());
    let headers = response.headers_mut();
    headers.clone_from(label.repeated());
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let length = match part {
        Part::All => size,
        Part::Some(range) => {
            let (first, last) = (range.start, range.end - 1);
            set(headers, header::CONTENT_RANGE, format!("bytes {first}-{last}/{size}"));
            range.end - range.start
        }
        Part::Unsatisfiable => {
            // What describes the image does not describe this answer.
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

/// The head of the answer to a client that has this very image (304).
pub fn not_modified(label: &Label) -> Response<()> {
    let mut response = head(label, 0, &Part::All);
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
