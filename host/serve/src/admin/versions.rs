//! The versions of Glance's API for cache management that the service implements. Clients request them first.

use crate::service::Service;
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use hyper::StatusCode;
use hyper::header::{HOST, HeaderMap};
use serde_json::{Value, json};
use std::sync::Arc;

/// From 2.14, which introduced `/v2/cache`, to 2.18, which introduced `clean` and `prune`.
const MINORS: [u32; 5] = [18, 17, 16, 15, 14];

pub async fn versions(State(service): State<Arc<Service>>, headers: HeaderMap) -> Json<Value> {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let scheme = if service.certificate.is_some() { "https" } else { "http" };
    let links = json!([{"rel": "self", "href": format!("{scheme}://{host}/v2/")}]);
    let version = |minor: u32| {
        let status = if minor == MINORS[0] { "CURRENT" } else { "SUPPORTED" };
        json!({"id": format!("v2.{minor}"), "status": status, "links": links})
    };
    Json(json!({"versions": MINORS.map(version)}))
}

pub async fn at_the_root(service: State<Arc<Service>>, headers: HeaderMap) -> impl IntoResponse {
    (StatusCode::MULTIPLE_CHOICES, versions(service, headers).await)
}
