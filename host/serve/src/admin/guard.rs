//! Refuses requests to the admin listener without a valid token.

use super::answers::Refusal;
use crate::service::Service;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper::StatusCode;
use hyper::header::{HeaderValue, WWW_AUTHENTICATE};
use std::sync::Arc;

/// Forwards a request if it has the token.
pub async fn guard(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    if service.admin_token.admits(request.headers()) {
        return next.run(request).await;
    }
    let words = "The token is missing or wrong; send it as X-Auth-Token.";
    let mut response = Refusal::new(StatusCode::UNAUTHORIZED, words).into_response();
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}
