//! Reading along with a fetch: whole images, and parts as far as the fetch has come or will soon.

use super::body::Body;
use super::cache_status::{CacheStatus, Reason};
use super::fetch::Ask;
use super::label::Label;
use super::range::{Asked, Part};
use super::service::{Service, log_bypass};
use super::{answer, body, fetch};
use futures_util::StreamExt;
use hyper::header::HeaderMap;
use hyper::{Response, header};
use image_cache::tokio::ImageReader;
use image_cache::{Expected, Route};
use std::sync::Arc;

/// What starts farther ahead of a fetch than this comes from the upstream.
const FAR_AHEAD: u64 = 64 << 20;

/// What these headers ask for, from a fetch that runs; nothing where there is none, or it is too far behind.
pub async fn read_along(
    service: &Arc<Service>,
    ask: &Ask,
    headers: &HeaderMap,
    label: Arc<Label>,
) -> Option<Response<Body>> {
    let progress = service.cache.progress(&ask.id).ok()??;
    if label.is_known_to(headers) {
        let not_modified = answer::not_modified(&label).map(|()| body::empty());
        return Some(CacheStatus::Shared.mark(not_modified));
    }
    let asked = Asked::of(headers, Some(&label));
    let size = progress.size.or(label.size);
    if asked == Asked::All {
        return join(service, ask, label, size).await;
    }
    let size = size?;
    let part = asked.part(size);
    let body = match &part {
        Part::All => return join(service, ask, label, Some(size)).await,
        Part::Unsatisfiable => body::empty(),
        Part::Some(range) if range.start > progress.bytes.saturating_add(FAR_AHEAD) => return None,
        Part::Some(range) => {
            let reader = service.cache.follow_range(&ask.id, range.clone()).await;
            body::streaming(reader.ok()??.into_stream())
        }
    };
    Some(CacheStatus::Shared.mark(answer::head(&label, size, &part).map(|()| body)))
}

async fn join(
    service: &Arc<Service>,
    ask: &Ask,
    label: Arc<Label>,
    size: Option<u64>,
) -> Option<Response<Body>> {
    let expected = expected(size, label.md5.as_deref());
    let joined = fetch::join(service, ask.clone(), Arc::clone(&label), expected).await;
    let reader = joined.inspect_err(|error| log_bypass(ask, error)).ok()?;
    let mut head = answer::head(&label, size.unwrap_or_default(), &Part::All);
    if size.is_none() {
        head.headers_mut().remove(header::CONTENT_LENGTH);
    }
    Some(streamed(CacheStatus::Miss, head, reader, size).await)
}

/// A reader's bytes, under where they come from; `fetched` where this very request fetches them.
pub async fn streamed(
    fetched: CacheStatus,
    head: Response<()>,
    reader: ImageReader,
    size: Option<u64>,
) -> Response<Body> {
    let from = match reader.route() {
        Route::Cached => CacheStatus::Hit,
        Route::Shared => CacheStatus::Shared,
        Route::Fetching => fetched,
        Route::Passing => CacheStatus::Bypass(Reason::CacheFailed),
    };
    let mut chunks = reader.into_stream();
    if size == Some(0) {
        // Nobody reads a body that has no bytes; but it has an end, with which the image is cached.
        if let Some(Err(error)) = chunks.next().await {
            tracing::warn!(%error, "an empty image cannot be cached");
        }
        return from.mark(head.map(|()| body::empty()));
    }
    from.mark(head.map(|()| body::streaming(chunks)))
}

/// What the bytes of an image must agree with; a checksum that is no MD5 says nothing.
pub fn expected(size: Option<u64>, md5: Option<&str>) -> Expected {
    let expected = Expected { size, md5: None };
    match md5 {
        Some(md5) => expected.clone().with_md5(md5).unwrap_or(expected),
        None => expected,
    }
}
