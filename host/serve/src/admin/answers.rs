//! Refusals, in the form that the client accepts.

use axum::Json;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use hyper::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use hyper::{Method, StatusCode};
use serde_json::json;

/// Why a request is refused.
#[derive(Debug)]
pub struct Refusal {
    status: StatusCode,
    words: String,
}

impl Refusal {
    pub fn new(status: StatusCode, words: impl Into<String>) -> Refusal {
        Refusal { status, words: words.into() }
    }

    /// The image is unknown to the cache and to the upstream.
    pub fn no_image(id: &str) -> Refusal {
        Refusal::new(StatusCode::NOT_FOUND, format!("Image {id} not found."))
    }
}

/// The reason for a refusal, for code that converts it into another form.
#[derive(Debug, Clone)]
struct Words(String);

/// In Glance's form, which its clients parse line by line.
impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or_default();
        let title = format!("{} {title}", self.status.as_u16());
        let page = format!(
            "<html>\n<head><title>{title}</title></head>\n<body>\n<h1>{title}</h1>\n{}\n</body>\n</html>\n",
            escaped(&self.words)
        );
        let mut response = (self.status, Html(page)).into_response();
        response.extensions_mut().insert(Words(self.words));
        response
    }
}

/// Escapes a text for HTML.
fn escaped(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Converts refusals into JSON if the client asks for JSON.
pub async fn negotiate(request: Request, next: Next) -> Response {
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok());
    let as_json = accept.is_some_and(|accept| accept.contains("application/json"));
    let mut response = next.run(request).await;
    let words = response.extensions().get::<Words>().filter(|_| as_json).cloned();
    let Some(Words(words)) = words else { return response };
    let status = response.status();
    let title = status.canonical_reason().unwrap_or_default();
    let code = format!("{} {title}", status.as_u16());
    let body = Json(json!({"message": words, "code": code, "title": title})).into_response();
    let (told, body) = body.into_parts();
    for name in [CONTENT_TYPE, CONTENT_LENGTH] {
        response.headers_mut().remove(name);
    }
    response.headers_mut().extend(told.headers);
    *response.body_mut() = body;
    response
}

/// The cache fails: the client is told, and the error is logged.
impl From<image_cache::Error> for Refusal {
    fn from(error: image_cache::Error) -> Refusal {
        match &error {
            image_cache::Error::InvalidImageId(_) => {
                Refusal::new(StatusCode::BAD_REQUEST, error.to_string())
            }
            _ => {
                tracing::warn!(%error, "a request to the admin listener failed");
                Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
            }
        }
    }
}

pub async fn nothing_here() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "The resource could not be found.")
}

pub async fn method_not_allowed(method: Method) -> Refusal {
    let words = format!("The method {method} is not allowed for this resource.");
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, words)
}
