//! The state of the service: metrics, health, and the state of the prefetcher.

use super::answers::Refusal;
use crate::service::Service;
use crate::{metrics, timeouts};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hyper::StatusCode;
use hyper::header::CONTENT_TYPE;
use image_cache::{ImageCache, Status};
use prometheus_client::encoding::prometheus_text;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// `GET /metrics`
pub async fn metrics(State(service): State<Arc<Service>>) -> Result<Response, Refusal> {
    let counted = Arc::clone(&service.metrics);
    let page = service.cache.run(move |cache| metrics::scrape(&counted, cache)).await?;
    Ok(([(CONTENT_TYPE, prometheus_text::CONTENT_TYPE)], page).into_response())
}

/// `GET /healthz`: 200 if the service can serve images from the cache.
pub async fn health(State(service): State<Arc<Service>>) -> (StatusCode, Json<Value>) {
    let look = |cache: &ImageCache| {
        let status = cache.status()?;
        cache.check_in_place().map(|()| status)
    };
    health_of(service.cache.run(look), timeouts::HEALTH).await
}

/// The health of a cache; a cache that does not respond within the timeout is unhealthy.
async fn health_of(
    look: impl Future<Output = image_cache::Result<Status>>,
    patience: Duration,
) -> (StatusCode, Json<Value>) {
    let seen = match tokio::time::timeout(patience, look).await {
        Ok(seen) => seen.map_err(|error| error.to_string()),
        Err(_) => Err("it does not respond in time".to_owned()),
    };
    match seen {
        Ok(status) => {
            let fallback = status.driver.fallback.map(|fallback| fallback.configured);
            let image_cache::DriverStatus { name, version, sha256, .. } = status.driver;
            let driver = json!({
                "name": name, "version": version, "sha256": sha256, "in_place_of": fallback,
            });
            (StatusCode::OK, Json(json!({"status": "ok", "driver": driver})))
        }
        Err(error) => {
            tracing::warn!(error, "the cache cannot be read");
            let told =
                json!({"status": "failing", "reason": "the cache cannot be read; see the log"});
            (StatusCode::SERVICE_UNAVAILABLE, Json(told))
        }
    }
}

/// `POST /driver/reload`: loads the driver again, and says which one is in use.
pub async fn reload_driver(State(service): State<Arc<Service>>) -> Result<Json<Value>, Refusal> {
    let driver = service.reload_driver().await;
    let driver = driver.map_err(|error| Refusal::new(StatusCode::CONFLICT, error.to_string()))?;
    let image_cache::DriverStatus { name, version, sha256, .. } = driver;
    Ok(Json(json!({"name": name, "version": version, "sha256": sha256})))
}

/// `GET /prefetch`: which images are being fetched, and which failed and why.
pub async fn prefetch(State(service): State<Arc<Service>>) -> Json<Value> {
    let progress = |id: &str| service.cache.progress(id).ok().flatten();
    Json(service.prefetch.attempts().as_json(progress))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_cache_that_does_not_respond_in_time_is_reported_as_failing() {
        let (status, Json(told)) =
            health_of(std::future::pending(), Duration::from_millis(10)).await;
        assert_eq!((status, &told["status"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("failing")));
    }
}
