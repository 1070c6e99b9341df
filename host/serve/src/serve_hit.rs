//! Responses with cached images: a damaged block is replaced by the upstream's bytes.

use super::body::{Body, BodyError};
use super::cache_lookup::{CacheHit, HitContent};
use super::cache_status::CacheStatus;
use super::fetch::Repair;
use super::proxy::ImageGet;
use super::range::Part;
use super::{body, response};
use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::{Frame, SizeHint};
use hyper::header::AGE;
use image_cache::tokio::{ImageReader, ImageStream};
use image_cache::{CachedReader, Error};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

/// The response with a cached image, or the information that the client has the image already (304).
pub fn serve_hit(get: &ImageGet, hit: CacheHit, status: CacheStatus) -> Response<Body> {
    let CacheHit { stored, size, part, content } = hit;
    if stored.is_not_modified_for(&get.head.headers) {
        return status.mark(response::not_modified(&stored).map(|()| body::empty()));
    }
    let mut head = response::head(&stored, size, &part);
    head.headers_mut().insert(AGE, stored.age(SystemTime::now()).as_secs().into());
    let body = match content {
        HitContent::Empty => body::empty(),
        HitContent::Small(bytes) => body::full(bytes),
        HitContent::Large(reader) => {
            let end = match &part {
                Part::Some(range) => range.end,
                Part::All | Part::Unsatisfiable => size,
            };
            let (service, request) = (Arc::clone(&get.service), get.request.clone());
            RepairedBody::new(reader, end, Repair { service, request, stored }).boxed_unsync()
        }
    };
    status.mark(head.map(|()| body))
}

/// The bytes of a large image: from the cache, and from the upstream after a damaged block.
struct RepairedBody {
    chunks: ImageStream,
    /// Bytes that are still to be sent.
    left: u64,
    /// Where in the image they end.
    end: u64,
    /// Nothing once it was used.
    repair: Option<Repair>,
}

impl RepairedBody {
    fn new(reader: CachedReader, end: u64, repair: Repair) -> RepairedBody {
        let left = reader.size();
        let chunks = ImageReader::from(reader).into_stream();
        RepairedBody { chunks, left, end, repair: Some(repair) }
    }

    /// The stream that continues after a damaged block, of which no byte was sent; nothing after any other error.
    fn repaired(&mut self, error: &io::Error) -> Option<ImageStream> {
        if !matches!(Error::of_io(error), Some(Error::Corrupt { .. })) {
            return None;
        }
        let (repair, start) = (self.repair.take()?, self.end - self.left);
        tracing::warn!(%error, start, "a block is damaged; the rest comes from the upstream");
        Some(Box::pin(repair.bytes(start..self.end)))
    }
}

impl hyper::body::Body for RepairedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            match ready!(self.chunks.poll_next_unpin(context)) {
                None if self.left == 0 => return Poll::Ready(None),
                None => {
                    let early = io::Error::from(io::ErrorKind::UnexpectedEof);
                    return Poll::Ready(Some(Err(early.into())));
                }
                Some(Ok(bytes)) => {
                    self.left = self.left.saturating_sub(bytes.len() as u64);
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Some(Err(error)) => match self.repaired(&error) {
                    Some(chunks) => self.chunks = chunks,
                    None => return Poll::Ready(Some(Err(error.into()))),
                },
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
