//! Manages cache and queue in the API that Glance's clients use.

use super::answers::Refusal;
use crate::maintenance;
use crate::prefetch::{UpstreamStatus, upstream_status};
use crate::service::Service;
use axum::Json;
use axum::extract::{Path, State};
use hyper::StatusCode;
use hyper::header::HeaderMap;
use image_cache::{CachedImage, ImageCache, ImageId, ImageList};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Whether to clear the cache or the queue; if it is missing, both.
const CLEAR_TARGET: &str = "x-image-cache-clear-target";

type Answer<T> = Result<T, Refusal>;
type Shared = State<Arc<Service>>;

fn listing(list: &ImageList) -> Value {
    let row = |image: &CachedImage| row(image, !list.without_record.contains(&image.image_id));
    list.images.iter().map(row).collect()
}

/// Glance's fields, and another one if the driver does not list the image.
fn row(image: &CachedImage, is_recorded: bool) -> Value {
    let mut row = json!({
        "image_id": image.image_id.as_str(),
        "hits": image.hits,
        "last_accessed": seconds(image.last_accessed),
        "last_modified": seconds(image.last_modified),
        "size": image.size,
    });
    if !is_recorded {
        row["recorded"] = false.into();
    }
    row
}

fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

fn queue_listing(ids: &[ImageId]) -> Value {
    ids.iter().map(ImageId::as_str).collect()
}

/// `GET /v2/cache`
pub async fn list(State(service): Shared) -> Answer<Json<Value>> {
    let look = |cache: &ImageCache| Ok((cache.list_images()?, cache.queued_images()?));
    let (cached, queued) = service.cache.run(look).await?;
    Ok(Json(json!({"cached_images": listing(&cached), "queued_images": queue_listing(&queued)})))
}

/// `DELETE /v2/cache`
pub async fn clear(State(service): Shared, headers: HeaderMap) -> Answer<StatusCode> {
    let target = headers.get(CLEAR_TARGET).map_or(&b""[..], |target| target.as_bytes());
    let (cache, queue) = match target.to_ascii_lowercase().as_slice() {
        b"" => (true, true),
        b"cache" => (true, false),
        b"queue" => (false, true),
        _ => {
            let words = format!("If provided, {CLEAR_TARGET} must be cache, queue or empty.");
            return Err(Refusal::new(StatusCode::BAD_REQUEST, words));
        }
    };
    // The queue first: otherwise the prefetcher could still cache queued images.
    if queue {
        service.cache.run(ImageCache::delete_all_queued_images).await?;
        service.prefetch.queue_changed.notify_one();
    }
    if cache {
        service.cache.run(ImageCache::delete_all_cached_images).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// `PUT /v2/cache/{id}`: queues an image if the upstream has it or cannot be asked.
pub async fn queue(State(service): Shared, Path(id): Path<String>) -> Answer<StatusCode> {
    check_shows_no_credential(&service, &id)?;
    let unknown = || Refusal::no_image(&id);
    id.parse::<ImageId>().map_err(|_| unknown())?;
    match upstream_status(&service, &id).await {
        UpstreamStatus::Missing => return Err(unknown()),
        UpstreamStatus::Inactive(_) => {
            let words = "Only images with status active can be targeted for queueing";
            return Err(Refusal::new(StatusCode::BAD_REQUEST, words));
        }
        UpstreamStatus::Active => {}
        UpstreamStatus::Unknown(reason) => tracing::info!(image = id, reason, "queued unchecked"),
    }
    put_into_queue(&service, id).await?;
    Ok(StatusCode::ACCEPTED)
}

/// `DELETE /v2/cache/{id}`: removes the image from cache and queue.
pub async fn remove(State(service): Shared, Path(id): Path<String>) -> Answer<StatusCode> {
    let unknown = || Refusal::no_image(&id);
    id.parse::<ImageId>().map_err(|_| unknown())?;
    let queued = take_from_queue(&service, id.clone()).await?;
    let cached = take_from_cache(&service, id.clone()).await?;
    if queued || cached {
        return Ok(StatusCode::NO_CONTENT);
    }
    match upstream_status(&service, &id).await {
        UpstreamStatus::Active | UpstreamStatus::Inactive(_) => Ok(StatusCode::NO_CONTENT),
        UpstreamStatus::Missing | UpstreamStatus::Unknown(_) => Err(unknown()),
    }
}

/// `GET /v2/cache/nodes/{id}`: for a driver that only Glance has.
pub async fn nodes(Path(_): Path<String>) -> Refusal {
    Refusal::new(StatusCode::CONFLICT, "Centralized caching is not enabled")
}

/// `POST /v2/cache/clean`
pub async fn clean(State(service): Shared) -> Answer<()> {
    maintenance::clean(&service).await?;
    Ok(())
}

/// `POST /v2/cache/prune`
pub async fn prune(State(service): Shared) -> Answer<Json<Value>> {
    let pruned = maintenance::prune(&service).await?;
    Ok(Json(json!({"total_files_pruned": pruned.images, "total_bytes_pruned": pruned.bytes})))
}

/// `GET /v2/cached_images`
pub async fn cached(State(service): Shared) -> Answer<Json<Value>> {
    let cached = service.cache.run(ImageCache::list_images).await?;
    Ok(Json(json!({"cached_images": listing(&cached)})))
}

/// `DELETE /v2/cached_images/{id}`
pub async fn remove_cached(State(service): Shared, Path(id): Path<String>) -> Answer<Json<Value>> {
    take_from_cache(&service, id).await?;
    Ok(Json(Value::Null))
}

/// `DELETE /v2/cached_images`
pub async fn remove_all_cached(State(service): Shared) -> Answer<Json<Value>> {
    let deleted = service.cache.run(ImageCache::delete_all_cached_images).await?;
    Ok(Json(json!({"num_deleted": deleted})))
}

/// `GET /v2/queued_images`
pub async fn queued(State(service): Shared) -> Answer<Json<Value>> {
    let queued = service.cache.run(ImageCache::queued_images).await?;
    Ok(Json(json!({"queued_images": queue_listing(&queued)})))
}

/// `PUT /v2/queued_images/{id}`: the service finds out whether the image exists when it fetches it.
pub async fn queue_unasked(State(service): Shared, Path(id): Path<String>) -> Answer<Json<Value>> {
    check_shows_no_credential(&service, &id)?;
    put_into_queue(&service, id).await?;
    Ok(Json(Value::Null))
}

/// `DELETE /v2/queued_images/{id}`
pub async fn remove_queued(State(service): Shared, Path(id): Path<String>) -> Answer<Json<Value>> {
    take_from_queue(&service, id).await?;
    Ok(Json(Value::Null))
}

/// `DELETE /v2/queued_images`
pub async fn remove_all_queued(State(service): Shared) -> Answer<Json<Value>> {
    let deleted = service.cache.run(ImageCache::delete_all_queued_images).await?;
    service.prefetch.queue_changed.notify_one();
    Ok(Json(json!({"num_deleted": deleted})))
}

/// Such an id would be in each list and log.
fn check_shows_no_credential(service: &Service, id: &str) -> Answer<()> {
    if service.shows_credential(id) {
        let words = "The id contains a credential, so the image cannot be queued.";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, words));
    }
    Ok(())
}

async fn put_into_queue(service: &Service, id: String) -> Answer<()> {
    service.cache.run(move |cache| cache.queue_image(&id)).await?;
    service.prefetch.queue_changed.notify_one();
    Ok(())
}

async fn take_from_queue(service: &Service, id: String) -> Answer<bool> {
    let was_there = service.cache.run(move |cache| cache.delete_queued_image(&id)).await?;
    service.prefetch.queue_changed.notify_one();
    Ok(was_there)
}

async fn take_from_cache(service: &Service, id: String) -> Answer<bool> {
    Ok(service.cache.run(move |cache| cache.delete_cached_image(&id)).await?)
}
