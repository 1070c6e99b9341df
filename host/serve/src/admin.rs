//! The admin listener: Glance's API for cache management, and the service's own metrics and state.

mod answers;
mod cache;
mod foreign;
mod guard;
mod schemas;
mod state;
mod versions;

use super::admin_token::AdminToken;
use super::body::Body;
use super::listen::Listener;
use super::service::Service;
use super::signals::Stop;
use super::timeouts;
use answers::Refusal;
use anyhow::bail;
use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::{delete, get, post, put};
use foreign::Hosts;
use futures_util::FutureExt;
use http_body_util::BodyExt;
use hyper::service::Service as _;
use hyper::{Request, Response, StatusCode};
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Refuses an address that other machines can reach, unless a token is required.
pub fn check(address: SocketAddr, token: &AdminToken) -> anyhow::Result<()> {
    if address.ip().is_loopback() || token.is_required() {
        return Ok(());
    }
    bail!(
        "--admin-listen {address} can be reached from other machines: set a token with --admin-token-file or $IMAGE_CACHE_ADMIN_TOKEN, or listen on a loopback address"
    )
}

/// Serves the admin listener until the stop.
pub async fn serve(listener: Listener, stop: Stop) {
    let service = Arc::clone(&listener.service);
    let address = listener.socket.local_addr().unwrap_or(([127, 0, 0, 1], 0).into());
    let hosts = Hosts::new(address, &service.options.admin.admin_host);
    let router = Arc::new(TowerToHyperService::new(router(service, Arc::new(hosts))));
    let answer = move |request: Request<Body>| {
        let answer = router.call(request.map(axum::body::Body::new));
        in_time(answer, timeouts::ADMIN_ANSWER).boxed()
    };
    listener.serve(Arc::new(answer), stop).await;
}

/// The response to a request to the admin listener; after the timeout it states that the operation continues.
async fn in_time(
    answer: impl Future<Output = Result<axum::response::Response, Infallible>>,
    patience: Duration,
) -> Response<Body> {
    let response = match tokio::time::timeout(patience, answer).await {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(_) => {
            let words = "The operation continues; ask again later.";
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, words).into_response()
        }
    };
    response.map(|body| body.map_err(Into::into).boxed_unsync())
}

fn router(service: Arc<Service>, hosts: Arc<Hosts>) -> Router {
    let guarded = Router::new()
        .route("/v2/cache", get(cache::list).delete(cache::clear))
        .route("/v2/cache/clean", post(cache::clean))
        .route("/v2/cache/prune", post(cache::prune))
        .route("/v2/cache/nodes/{id}", get(cache::nodes))
        .route("/v2/cache/{id}", put(cache::queue).delete(cache::remove))
        .route("/v2/cached_images", get(cache::cached).delete(cache::remove_all_cached))
        .route("/v2/cached_images/{id}", delete(cache::remove_cached))
        .route("/v2/queued_images", get(cache::queued).delete(cache::remove_all_queued))
        .route("/v2/queued_images/{id}", put(cache::queue_unasked).delete(cache::remove_queued))
        .route("/v2/schemas/{*name}", get(schemas::schema))
        .route("/driver/reload", post(state::reload_driver))
        .route("/metrics", get(state::metrics))
        .route("/prefetch", get(state::prefetch))
        .fallback(answers::nothing_here)
        .method_not_allowed_fallback(answers::method_not_allowed)
        .route_layer(from_fn_with_state(Arc::clone(&service), guard::guard));
    let open = Router::new()
        .route("/", get(versions::at_the_root))
        .route("/versions", get(versions::versions))
        .route("/healthz", get(state::health));
    let all = open.merge(guarded).layer(from_fn_with_state(hosts, foreign::refuse));
    all.layer(from_fn(answers::negotiate)).with_state(service)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slow_request_gets_a_response_that_the_operation_continues() {
        let told = in_time(std::future::pending(), Duration::from_millis(10)).await;
        assert_eq!(told.status(), StatusCode::SERVICE_UNAVAILABLE);
        let words = told.into_body().collect().await.expect("it has a text").to_bytes();
        assert!(String::from_utf8_lossy(&words).contains("The operation continues"));
    }
}
