//! Resumes a fetch from an offset, if the upstream still has the same image.

use crate::body::ByteStream;
use crate::service::Service;
use crate::stored_response::StoredResponse;
use crate::timeout_body::chunks;
use crate::upstream::{Ranged, UpstreamError};
use crate::upstream_request::UpstreamRequest;
use bytes::{Buf, Bytes};
use futures_util::stream;
use futures_util::stream::{Stream, StreamExt, TryStreamExt};
use hyper::body::{Body as _, Incoming};
use hyper::header::{HeaderMap, HeaderValue};
use hyper::{Response, StatusCode, header};
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
    ) -> Result<ByteStream, ResumeError> {
        let ranged = self.open_at(request, (offset > 0).then_some(offset)).await?;
        let (response, skip) = match (ranged.status(), offset) {
            (StatusCode::OK, _) => (ranged, offset),
            (StatusCode::PARTIAL_CONTENT, 1..) => {
                if !starts_at(&ranged, offset, stored.size) {
                    return Err(ResumeError::Refused(
                        "the upstream answered with another part".to_owned(),
                    ));
                }
                (ranged, 0)
            }
            (status, 1..) if Ranged::is_not_for(status) => {
                (self.open_at(request, None).await?, offset)
            }
            (status, _) => {
                return Err(ResumeError::Refused(format!("the upstream answered {status}")));
            }
        };
        if skip > 0 && response.status() != StatusCode::OK {
            let status = response.status();
            return Err(ResumeError::Refused(format!("the upstream answered {status}")));
        }
        let length = response.body().size_hint().exact().map(|length| length + offset - skip);
        let has_changed = matches!((length, stored.size), (Some(now), Some(then)) if now != then);
        if has_changed || !is_same(stored, response.headers()) {
            return Err(ResumeError::Refused(
                "the upstream has another image now, or does not say".to_owned(),
            ));
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
            headers.insert(header::RANGE, Ranged::from(from));
        }
        self.upstream.get(&request.target, headers).await.map_err(|failure| match failure {
            UpstreamError::Malformed => ResumeError::Refused("the path is malformed".to_owned()),
            failure => ResumeError::Unreachable(io::Error::other(failure.to_string())),
        })
    }
}

/// Whether a partial response is the rest of an image from this offset on.
fn starts_at(response: &Response<Incoming>, offset: u64, size: Option<u64>) -> bool {
    let range = response.headers().get(header::CONTENT_RANGE).map(HeaderValue::as_bytes);
    let range = range.and_then(|range| std::str::from_utf8(range).ok()).unwrap_or_default();
    let Some((first, rest)) = range.strip_prefix("bytes ").and_then(|range| range.split_once('-'))
    else {
        return false;
    };
    let Some((last, whole)) = rest.split_once('/') else { return false };
    let is_last = |size: u64| last.parse() == Ok(size.saturating_sub(1));
    let is_whole = match (whole.parse::<u64>(), size) {
        (Ok(whole), Some(size)) => whole == size && is_last(size),
        (Ok(whole), None) => is_last(whole),
        (Err(_), size) => whole == "*" && size.is_none_or(is_last),
    };
    first.parse() == Ok(offset) && is_whole
}

/// All but the first bytes.
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
        let mut cut = move |chunk: io::Result<Bytes>| {
            let chunk = chunk.map(|mut chunk| {
                chunk.truncate(usize::try_from(left).unwrap_or(usize::MAX));
                left -= chunk.len() as u64;
                chunk
            });
            // Reads no more bytes than are needed.
            let is_over = chunk.as_ref().is_ok_and(Bytes::is_empty);
            std::future::ready((!is_over).then_some(chunk))
        };
        stream::once(opened)
            .try_flatten()
            .filter(|chunk| std::future::ready(!chunk.as_ref().is_ok_and(Bytes::is_empty)))
            .scan((), move |(), chunk| cut(chunk))
    }
}
