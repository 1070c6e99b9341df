//! Removes images that must not be served any more, and marks images that must be revalidated before their next use.

use super::service::Service;
use super::stored_response::{StoredResponse, Timestamp};
use std::sync::Arc;

impl Service {
    /// Removes an image from the cache, and discards the result of a running fetch of it.
    pub async fn evict(&self, id: &str) {
        let evicted = self.run(id, |responses, cache, id| {
            responses.discard(id);
            if cache.delete_cached_image(id)? {
                tracing::info!(image = %id, "evicted: the upstream has removed or changed the image");
            }
            Ok(())
        });
        log_failure(evicted.await);
    }

    /// Removes an image that differs from the upstream's, unless another fetch has replaced it already.
    pub async fn evict_response(&self, id: &str, stored: &Arc<StoredResponse>) {
        let stored = Arc::clone(stored);
        let evicted = self.run(id, move |responses, cache, id| {
            if responses.in_flight(id).is_some() {
                return Ok(());
            }
            let modified = cache.open_for_read(id)?.and_then(|reader| reader.modified().ok());
            if modified.map(Timestamp::from) == stored.modified {
                tracing::info!(image = %id, "evicted: the upstream has changed the image");
                cache.delete_cached_image(id)?;
                responses.discard(id);
            }
            Ok(())
        });
        log_failure(evicted.await);
    }

    /// Requires revalidation of an image, cached or in flight, before its next use (RFC 9111, 4.4).
    pub async fn invalidate(&self, id: &str) {
        let invalidated = self.run(id, |responses, _, id| {
            responses.invalidate(id);
            Ok(())
        });
        // It fails only if the runtime stops, and then the service serves nothing.
        let _ = invalidated.await;
    }
}

fn log_failure(evicted: image_cache::Result<()>) {
    if let Err(error) = evicted {
        tracing::warn!(%error, "cannot evict an image that must not be served");
    }
}
