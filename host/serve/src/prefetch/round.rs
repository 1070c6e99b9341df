//! One pass over the queue, for `image-cache prefetch`.

use super::attempts::backoff;
use super::{queue, upstream};
use crate::service::Service;
use futures_util::stream::{self, StreamExt};
use image_cache::ImageId;
use std::sync::Arc;

/// The maximum number of attempts for each image.
const ATTEMPTS: u32 = 3;

/// The result for one queued image.
#[derive(Debug, Clone)]
pub struct PrefetchedImage {
    /// The image.
    pub image: ImageId,
    /// Why it is not cached, if it is not.
    pub failed: Option<String>,
}

/// Fetches all images that are queued now, in order; returns the result of each.
pub async fn once(service: &Arc<Service>) -> image_cache::Result<Vec<PrefetchedImage>> {
    let queued = queue::queued(service).await?;
    let at_once = service.options.prefetch.prefetch_at_once.max(1) as usize;
    let fetches = queued.into_iter().map(|image| async move {
        PrefetchedImage { failed: fetch_with_retries(service, &image).await.err(), image }
    });
    Ok(stream::iter(fetches).buffered(at_once).collect().await)
}

async fn fetch_with_retries(service: &Arc<Service>, image: &ImageId) -> Result<(), String> {
    for failures in 0.. {
        let id = image.as_str();
        let fetched = upstream::fetch(service, id).await;
        let Err(reason) = fetched else { break };
        tracing::warn!(%image, reason, "the image was not fetched");
        if failures + 1 == ATTEMPTS {
            return Err(reason);
        }
        tokio::time::sleep(backoff(failures)).await;
    }
    Ok(())
}
