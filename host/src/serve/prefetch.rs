//! Fetches what is queued.

use super::options::PrefetchOptions;
use super::service::Service;
use super::signals::Stop;
use image_cache::Config;
use std::sync::Arc;

/// Fetches what is and will be queued, until the stop.
pub async fn run(_service: Arc<Service>, mut stop: Stop) {
    stop.wait().await;
}

/// Fetches what is queued now.
pub async fn once(_config: Config, _options: PrefetchOptions) -> anyhow::Result<()> {
    Ok(())
}
