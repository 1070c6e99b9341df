//! Prunes and cleans the cache: when a fetched image has made it too large, and at intervals.

use super::options::Profile;
use super::service::Service;
use super::signals::Stop;
use image_cache::{Cleaned, ImageCache, Pruned};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// How often the service checks whether an image was cached.
const LOOK: Duration = Duration::from_millis(250);

/// After this many checks, the service checks whether other processes changed the directory.
const LOOKS_BETWEEN: u32 = 4;

/// The wait before the service prunes again if an image was in use.
const BUSY: Duration = Duration::from_secs(10);

/// Keeps the cache within its limits until the stop.
pub async fn run(service: Arc<Service>, mut stop: Stop) {
    let maintenance = &service.options.maintenance;
    let mut prune_at = later(maintenance.prune_every);
    let mut clean_at = later(maintenance.clean_every);
    let mut cached = service.cache.counters().fills_cached;
    let mut looks = 0u32;
    // An earlier version may have cached such images.
    let started = Arc::clone(&service);
    tokio::spawn(async move { remove_ids_with_credentials(&started).await });
    loop {
        tokio::select! {
            () = due(prune_at) => prune_at = prune_until_next(&service).await,
            () = due(clean_at) => {
                let _ = clean(&service).await;
                clean_at = later(maintenance.clean_every);
            }
            () = tokio::time::sleep(LOOK) => {
                let now = service.cache.counters().fills_cached;
                if std::mem::replace(&mut cached, now) != now && is_too_large(&service).await {
                    prune_at = prune_until_next(&service).await;
                }
                looks = looks.wrapping_add(1);
                if looks.is_multiple_of(LOOKS_BETWEEN) {
                    let look = |cache: &ImageCache| {
                        cache.reconcile_external_changes();
                        Ok(())
                    };
                    // It fails only if the runtime stops.
                    let _ = service.cache.run(look).await;
                }
            }
            () = stop.wait() => return,
        }
    }
}

/// Prunes, and returns when to prune again: soon if an image in use had to stay.
async fn prune_until_next(service: &Service) -> Option<Instant> {
    let kept = prune(service).await.is_ok_and(|pruned| !pruned.kept.is_empty());
    let again = if kept { BUSY } else { service.options.maintenance.prune_every };
    later(again)
}

/// The moment after this time; `None` for a zero time.
fn later(time: Duration) -> Option<Instant> {
    Some(time).filter(|time| !time.is_zero()).and_then(|time| Instant::now().checked_add(time))
}

async fn due(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

async fn is_too_large(service: &Service) -> bool {
    let is_too_large = |cache: &ImageCache| {
        let (size, config) = (cache.cache_size()?, cache.config());
        let is_too_many = config.max_images.is_some_and(|most| size.images > most);
        Ok(size.bytes > config.max_size || is_too_many)
    };
    service.cache.run(is_too_large).await.unwrap_or(false)
}

/// Prunes, and logs the result.
pub async fn prune(service: &Service) -> image_cache::Result<Pruned> {
    let pruned = service.cache.run(ImageCache::prune).await;
    match &pruned {
        Ok(pruned) => {
            tracing::info!(images = pruned.images, bytes = pruned.bytes, "pruned");
            for kept in &pruned.kept {
                tracing::info!(image = %kept.image_id, reason = kept.reason.to_string(), "not evicted");
            }
        }
        Err(error) => tracing::warn!(%error, "cannot prune"),
    }
    pruned
}

/// Removes the images and the queue entries whose ids show a credential.
async fn remove_ids_with_credentials(service: &Arc<Service>) {
    if service.options.origin.profile != Profile::Plain {
        return;
    }
    let owner = Arc::clone(service);
    let remove = move |cache: &ImageCache| {
        let cached = cache.cached_images()?.into_iter().map(|image| image.image_id);
        let ids = cached.chain(cache.queued_images()?).map(|id| id.to_string());
        for id in ids.filter(|id| owner.shows_credential(id)) {
            let removed = cache.delete_queued_image(&id).and(cache.delete_cached_image(&id));
            if let Err(error) = removed {
                tracing::warn!(%error, "an image whose id shows a credential cannot be removed");
                continue;
            }
            owner.responses.discard(&id);
        }
        Ok(())
    };
    if let Err(error) = service.cache.run(remove).await {
        tracing::warn!(%error, "cannot look for images whose ids show a credential");
    }
}

/// Cleans, and logs the result.
pub async fn clean(service: &Arc<Service>) -> image_cache::Result<Cleaned> {
    remove_ids_with_credentials(service).await;
    let responses = Arc::clone(&service.responses);
    let cleaned = service.cache.run(move |cache| {
        if let Err(error) = responses.sweep() {
            tracing::warn!(%error, "cannot remove the stored responses of images that are no longer cached");
        }
        cache.clean(None)
    });
    let cleaned = cleaned.await;
    match &cleaned {
        Ok(Cleaned { incomplete, invalid, bytes, kept, .. }) => {
            tracing::info!(incomplete, invalid, bytes, "cleaned");
            for kept in kept {
                tracing::warn!(image = %kept.image_id, reason = kept.reason.to_string(), "not removed");
            }
        }
        Err(error) => tracing::warn!(%error, "cannot clean"),
    }
    cleaned
}
