//! Answers that refuse, in the form that the client takes.

use axum::Json;
use axum::response::{IntoResponse, Response};
use hyper::header::{ACCEPT, HeaderMap};
use hyper::{Method, StatusCode};
use serde_json::json;

/// Why a request is not obeyed.
#[derive(Debug)]
pub struct Refusal {
    status: StatusCode,
    words: String,
    as_json: bool,
}

impl Refusal {
    fn new(status: StatusCode, words: impl Into<String>) -> Refusal {
        Refusal { status, words: words.into(), as_json: false }
    }

    pub fn bad_request(words: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, words)
    }

    pub fn unauthorized(words: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::UNAUTHORIZED, words)
    }

    pub fn not_found(words: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::NOT_FOUND, words)
    }

    /// The image is not known, here or to the upstream.
    pub fn no_image(id: &str) -> Refusal {
        Refusal::not_found(format!("Image {id} not found."))
    }

    pub fn conflict(words: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::CONFLICT, words)
    }

    /// As JSON, where the client asks for that.
    pub fn for_request(mut self, headers: &HeaderMap) -> Refusal {
        let accepts = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
        self.as_json = accepts.is_some_and(|accept| accept.contains("application/json"));
        self
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or_default();
        if !self.as_json {
            return (self.status, self.words + "\n").into_response();
        }
        let code = format!("{} {title}", self.status.as_u16());
        let body = json!({"message": self.words, "code": code, "title": title});
        (self.status, Json(body)).into_response()
    }
}

/// The cache cannot do it: that is told, and logged.
impl From<image_cache::Error> for Refusal {
    fn from(error: image_cache::Error) -> Refusal {
        match &error {
            image_cache::Error::InvalidImageId(_) => Refusal::bad_request(error.to_string()),
            _ => {
                tracing::warn!(%error, "an operator's request failed");
                Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
            }
        }
    }
}

pub async fn nothing_here(headers: HeaderMap) -> Refusal {
    Refusal::not_found("The resource could not be found.").for_request(&headers)
}

pub async fn method_not_allowed(method: Method, headers: HeaderMap) -> Refusal {
    let words = format!("The method {method} is not allowed for this resource.");
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, words).for_request(&headers)
}
