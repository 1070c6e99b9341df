//! Responses with cached images; bytes from the upstream replace a damaged block.

use super::body::Body;
use super::cache_lookup::{CacheHit, HitContent};
use super::cache_status::CacheStatus;
use super::fetch::Repair;
use super::proxy::ImageGet;
use super::range::Part;
use super::{body, response};
use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use hyper::Response;
use hyper::header::AGE;
use image_cache::tokio::ImageReader;
use image_cache::{CachedReader, Error};
use std::io;
use std::sync::Arc;
use std::time::SystemTime;

/// The response with a cached image, or a 304 if the client already has the image.
pub fn serve_hit(get: &ImageGet, hit: CacheHit, status: CacheStatus) -> Response<Body> {
    let CacheHit { stored, size, part, content } = hit;
    if stored.is_not_modified_for(&get.head.headers) {
        return status.mark(response::not_modified(&stored).map(|()| body::empty()));
    }
    let mut head = response::head(&stored, size, &part);
    head.headers_mut().insert(AGE, stored.age(SystemTime::now()).as_secs().into());
    let body = match content {
        HitContent::Small(bytes) => body::full(bytes),
        HitContent::Large(reader) => {
            let end = match &part {
                Part::Some(range) => range.end,
                Part::All | Part::Unsatisfiable => size,
            };
            let (service, request) = (Arc::clone(&get.service), get.request.clone());
            body::streaming(repaired(*reader, end, Repair { service, request, stored }))
        }
    };
    status.mark(head.map(|()| body))
}

/// The bytes of a large image up to `end`: from the cache, and, after a damaged block, from the upstream. No byte of the
/// damaged block was sent.
fn repaired(
    reader: CachedReader,
    end: u64,
    repair: Repair,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let left = reader.size();
    let state = (ImageReader::from(reader).into_stream(), left, Some(repair));
    stream::try_unfold(state, move |(mut chunks, left, mut repair)| async move {
        loop {
            match chunks.next().await {
                None if left == 0 => return Ok(None),
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
                Some(Ok(bytes)) => {
                    let left = left.saturating_sub(bytes.len() as u64);
                    return Ok(Some((bytes, (chunks, left, repair))));
                }
                Some(Err(error)) => {
                    let is_damaged = matches!(Error::of_io(&error), Some(Error::Corrupt { .. }));
                    let Some(repair) = repair.take().filter(|_| is_damaged) else {
                        return Err(error);
                    };
                    let start = end - left;
                    tracing::warn!(%error, start, "a block is damaged; the rest comes from the upstream");
                    chunks = Box::pin(repair.bytes(start..end));
                }
            }
        }
    })
}
