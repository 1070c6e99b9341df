//! The profile `plain`.

use super::body::{self, Body};
use super::service::Service;
use hyper::body::Incoming;
use hyper::{Request, Response};
use std::sync::Arc;

/// Answers a client's request.
pub async fn answer(service: &Arc<Service>, request: Request<Incoming>) -> Response<Body> {
    service.pass(request.map(body::passing)).await
}
