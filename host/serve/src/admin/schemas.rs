//! The upstream's schemas, which Glance's command line requests before it works.
//!
//! The service invents no schema except `metadefs/resource_type`, whose commands need no more than the properties
//! below. If the command line gets one of its three schemas, it continues.

use super::answers::Refusal;
use crate::prefetch::document;
use crate::service::Service;
use axum::Json;
use axum::extract::{Path, State};
use hyper::StatusCode;
use serde_json::{Value, json};
use std::sync::Arc;

/// `GET /v2/schemas/{name}`
pub async fn schema(
    State(service): State<Arc<Service>>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '/';
    let known = match name.chars().all(plain) {
        true => document(&service, &format!("/v2/schemas/{name}")).await.ok(),
        false => None,
    };
    let known = known.or_else(|| (name == "metadefs/resource_type").then(resource_type));
    let words = "The upstream does not provide this schema.";
    known.map(Json).ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, words))
}

fn resource_type() -> Value {
    let text = |most: u32| json!({"type": "string", "maxLength": most});
    json!({
        "name": "resource_type_association",
        "required": ["name"],
        "additionalProperties": false,
        "properties": {"name": text(80), "prefix": text(80), "properties_target": text(80)},
    })
}
