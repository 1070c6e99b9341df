//! Responses from a fetch in progress: whole images, and parts that the fetch has reached or will reach soon.

use super::body::Body;
use super::cache_status::{CacheStatus, Reason};
use super::proxy::ImageGet;
use super::range::{Asked, Part};
use super::service::log_bypass;
use super::stored_response::StoredResponse;
use super::{body, fetch, response};
use futures_util::StreamExt;
use hyper::{Response, header};
use image_cache::Route;
use image_cache::tokio::ImageReader;
use std::sync::Arc;

/// A part that starts further ahead of the fetch comes from the upstream.
const FAR_AHEAD: u64 = 64 << 20;

/// Responds from a running fetch to a request with these headers; `None` if there is no such fetch, or it is too far behind.
pub async fn serve_in_flight(
    get: &ImageGet,
    stored: Arc<StoredResponse>,
) -> Option<Response<Body>> {
    let ImageGet { service, request, head, .. } = get;
    let progress = service.cache.progress(&request.id).ok()??;
    if stored.is_not_modified_for(&head.headers) {
        let not_modified = response::not_modified(&stored).map(|()| body::empty());
        return Some(CacheStatus::Shared.mark(not_modified));
    }
    let asked = Asked::of(&head.headers, Some(&stored));
    let size = progress.size.or(stored.size);
    if asked == Asked::All {
        return join(get, stored, size).await;
    }
    let size = size?;
    let part = asked.part(size);
    let body = match &part {
        Part::All => return join(get, stored, Some(size)).await,
        Part::Unsatisfiable => body::empty(),
        Part::Some(range) if range.start > progress.bytes.saturating_add(FAR_AHEAD) => return None,
        Part::Some(range) => {
            let reader = get.cache().follow_range(&request.id, range.clone()).await;
            body::streaming(reader.ok()??.into_stream())
        }
    };
    Some(CacheStatus::Shared.mark(response::head(&stored, size, &part).map(|()| body)))
}

async fn join(
    get: &ImageGet,
    stored: Arc<StoredResponse>,
    size: Option<u64>,
) -> Option<Response<Body>> {
    let joined = fetch::join(get, Arc::clone(&stored), size).await;
    let reader = joined.inspect_err(|error| log_bypass(&get.request.id, error)).ok()?;
    let mut head = response::head(&stored, size.unwrap_or_default(), &Part::All);
    if size.is_none() {
        head.headers_mut().remove(header::CONTENT_LENGTH);
    }
    Some(stream_response(CacheStatus::Miss, head, reader, size).await)
}

/// Streams a reader's bytes with their cache status: `fetched` if this request fetches them.
pub async fn stream_response(
    fetched: CacheStatus,
    head: Response<()>,
    reader: ImageReader,
    size: Option<u64>,
) -> Response<Body> {
    let from = match reader.route() {
        Route::Cached => CacheStatus::Hit,
        Route::Shared => CacheStatus::Shared,
        Route::Fetching => fetched,
        // `Passing`, and a route that a later version of the library adds.
        _ => CacheStatus::Bypass(Reason::CacheFailed),
    };
    let mut chunks = reader.into_stream();
    if size == Some(0) {
        // hyper does not read an empty body, but its end must be read so that the image is cached.
        if let Some(Err(error)) = chunks.next().await {
            tracing::warn!(%error, "an empty image cannot be cached");
        }
        return from.mark(head.map(|()| body::empty()));
    }
    from.mark(head.map(|()| body::streaming(chunks)))
}
