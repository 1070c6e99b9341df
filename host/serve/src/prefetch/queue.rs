//! The queue, as the prefetcher reads it.

use crate::plain_id;
use crate::service::Service;
use image_cache::ImageId;

/// The queued images, in order. An image whose id shows a credential is removed from the queue: it would be logged at each
/// attempt, and its response is for one user only.
pub async fn queued(service: &Service) -> image_cache::Result<Vec<ImageId>> {
    let mut queued = service.cache.run(|cache| cache.queued_images()).await?;
    for image in queued.extract_if(.., |image| service.shows_credential(image.as_str())) {
        let hidden = plain_id::target_of(image.as_str()).map(|target| plain_id::hashed(&target));
        tracing::warn!(image = hidden, "removed from the queue: its id contains a credential");
        let removed = service.cache.run(move |cache| cache.delete_queued_image(image.as_str()));
        if let Err(error) = removed.await {
            tracing::warn!(%error, "it cannot be removed from the queue");
        }
    }
    Ok(queued)
}
