//! The second listener: the cache managed as Glance's clients know it.

use super::service::Service;
use super::signals::Stop;
use std::sync::Arc;
use tokio::net::TcpListener;

/// Serves operators until the stop.
pub async fn serve(_service: Arc<Service>, _listener: TcpListener, mut stop: Stop) {
    stop.wait().await;
}
