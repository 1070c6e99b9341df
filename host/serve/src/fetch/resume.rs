//! Resumes a fetch from an offset, if the upstream still has the same image.

use crate::service::Service;
use crate::stored_response::StoredResponse;
use crate::timeout_body::chunks;
use crate::upstream::{UpstreamError, cannot_do_ranges, range_from};
use crate::upstream_request::UpstreamRequest;
use bytes::{Buf, Bytes};
use futures_util::stream::{self, Stream, TryStreamExt};
use headers::{ContentRange, HeaderMapExt};
use hyper::body::{Body as _, Incoming};
use hyper::header::HeaderMap;
use hyper::{Response, StatusCode, header};
use image_cache::tokio::ImageStream;
use std::future::ready;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// Why a fetch cannot be resumed.
pub(super) enum ResumeError {
    Unreachable(io::Error),
    Refused(String),
}

impl Service {
    /// The bytes of an image from an offset on, if the upstream still has the image of the stored response.
    pub(super) async fn resume(
        &self,
        request: &UpstreamRequest,
        stored: &StoredResponse,
        offset: u64,
        is_same: fn(&StoredResponse, &HeaderMap) -> bool,
    ) -> Result<ImageStream, ResumeError> {
        let refused = |reason: &str| Err(ResumeError::Refused(reason.to_owned()));
        let mut response = self.open_at(request, (offset > 0).then_some(offset)).await?;
        let is_part = offset > 0 && response.status() == StatusCode::PARTIAL_CONTENT;
        if is_part && !starts_at(&response, offset, stored.size) {
            return refused("the upstream sent another part");
        }
        if offset > 0 && cannot_do_ranges(response.status()) {
            response = self.open_at(request, None).await?;
        }
        let status = response.status();
        if !is_part && status != StatusCode::OK {
            return refused(&format!("the upstream responded with {status}"));
        }
        let skip = if is_part { 0 } else { offset };
        let length = response.body().size_hint().exact().map(|length| length + offset - skip);
        let has_changed = matches!((length, stored.size), (Some(now), Some(then)) if now != then);
        if has_changed || !is_same(stored, response.headers()) {
            return refused("the upstream has another image now, or sends no validator");
        }
        let chunks = chunks(response.into_body(), self.options.origin.upstream_timeout);
        Ok(Box::pin(skipping(chunks, skip)))
    }

    async fn open_at(
        &self,
        request: &UpstreamRequest,
        from: Option<u64>,
    ) -> Result<Response<Incoming>, ResumeError> {
        let mut headers = request.headers.clone();
        if let Some(from) = from {
            headers.insert(header::RANGE, range_from(from));
        }
        self.upstream.get(&request.target, headers).await.map_err(|failure| match failure {
            UpstreamError::Malformed => ResumeError::Refused("the path is malformed".to_owned()),
            failure => ResumeError::Unreachable(io::Error::other(failure.to_string())),
        })
    }
}

/// Whether a partial response is the rest of an image from this offset on.
fn starts_at(response: &Response<Incoming>, offset: u64, size: Option<u64>) -> bool {
    let Some(range) = response.headers().typed_get::<ContentRange>() else { return false };
    let is_other = range.bytes_len().zip(size).is_some_and(|(said, known)| said != known);
    let last = range.bytes_len().or(size).map(|size| size.saturating_sub(1));
    let is_rest = |(first, end)| first == offset && last.is_none_or(|last| last == end);
    !is_other && range.bytes_range().is_some_and(is_rest)
}

/// Skips the first bytes.
fn skipping(
    chunks: impl Stream<Item = io::Result<Bytes>> + Send,
    mut skip: u64,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    chunks.map_ok(move |mut chunk| {
        let count = skip.min(chunk.len() as u64);
        skip -= count;
        chunk.advance(usize::try_from(count).unwrap_or(chunk.len()));
        chunk
    })
}

/// Gets the bytes of a damaged block from the upstream.
pub struct Repair {
    pub service: Arc<Service>,
    pub request: UpstreamRequest,
    pub stored: Arc<StoredResponse>,
}

impl Repair {
    /// These bytes of the image, from the upstream.
    pub fn bytes(
        self,
        range: Range<u64>,
    ) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        let (start, mut left) = (range.start, range.end - range.start);
        let opened = async move {
            let Repair { service, request, stored } = self;
            service.resume(&request, &stored, start, StoredResponse::matches).await.map_err(
                |error| match error {
                    ResumeError::Unreachable(error) => error,
                    ResumeError::Refused(reason) => io::Error::other(reason),
                },
            )
        };
        let truncated = move |mut chunk: Bytes| {
            chunk.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            left -= chunk.len() as u64;
            chunk
        };
        stream::once(opened)
            .try_flatten()
            .try_filter(|chunk| ready(!chunk.is_empty()))
            .map_ok(truncated)
            // Reads no more bytes than necessary.
            .try_take_while(|chunk| ready(Ok(!chunk.is_empty())))
    }
}
