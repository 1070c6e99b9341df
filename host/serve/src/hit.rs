//! A cached image as an answer: opened, verified and read without holding up the runtime.

use super::body::{Body, BodyError};
use super::cache_status::CacheStatus;
use super::fetch::Repair;
use super::label::Label;
use super::labels::Labels;
use super::range::{Asked, Part};
use super::{answer, body, labels};
use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::{Frame, SizeHint};
use hyper::header::{HeaderMap, RANGE};
use image_cache::tokio::{ImageReader, ImageStream};
use image_cache::{CachedReader, Error, ImageCache};
use std::io;
use std::io::Read;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

/// Up to so many bytes are read when the image is opened.
const SMALL: usize = 1 << 20;

/// What was found in the cache.
pub enum Found {
    /// Nothing that can be served.
    Nothing,
    /// An image that is not to be served as it is, and what is known of it.
    Unfit(Arc<Label>),
    /// What was asked for.
    Hit(Hit),
}

/// A cached image, or the part of it that was asked for.
pub struct Hit {
    pub label: Arc<Label>,
    size: u64,
    part: Part,
    content: Content,
}

enum Content {
    Empty,
    Whole(Bytes),
    Large(CachedReader),
}

/// How an image is looked for.
pub struct Look {
    labels: Arc<Labels>,
    id: String,
    headers: HeaderMap,
    is_head: bool,
    trusts_records: bool,
}

impl Look {
    /// `is_head`: without its bytes; `trusts_records`: an image of which nothing is known may be served with what the
    /// records know.
    pub fn of(
        labels: &Arc<Labels>,
        id: &str,
        headers: &HeaderMap,
        is_head: bool,
        trusts_records: bool,
    ) -> Look {
        let mut headers = headers.clone();
        if is_head {
            // Only a GET has parts.
            headers.remove(RANGE);
        }
        Look { labels: Arc::clone(labels), id: id.to_owned(), headers, is_head, trusts_records }
    }

    /// Opens the image and reads it, if it is small, all in one go; for a thread that may block.
    pub fn open(
        &self,
        cache: &ImageCache,
        fits: impl FnOnce(&Label) -> bool,
    ) -> Result<Found, Error> {
        if self.labels.is_doomed(&self.id) {
            return Ok(Found::Nothing);
        }
        let Some(reader) = cache.open_for_read(&self.id)? else { return Ok(Found::Nothing) };
        let size = reader.image_size();
        let Some(label) = self.label(cache, &reader, size) else { return Ok(Found::Nothing) };
        if !fits(&label) {
            return Ok(Found::Unfit(label));
        }
        let part = Asked::of(&self.headers, Some(&label)).part(size);
        let reader = match &part {
            _ if self.is_head => None,
            Part::Unsatisfiable => None,
            Part::All => Some(reader),
            Part::Some(range) => match cache.open_range(&self.id, range.clone())? {
                Some(part) if part.image_size() == size => Some(part),
                // Replaced in this very moment.
                _ => return Ok(Found::Nothing),
            },
        };
        let content = match reader {
            None => Content::Empty,
            Some(reader) => match read_small(reader) {
                Ok(content) => content,
                Err(error) => {
                    tracing::warn!(image = %self.id, %error, "it cannot be served from the cache");
                    return Ok(Found::Nothing);
                }
            },
        };
        Ok(Found::Hit(Hit { label, size, part, content }))
    }

    fn label(&self, cache: &ImageCache, reader: &CachedReader, size: u64) -> Option<Arc<Label>> {
        let modified = reader.modified().ok()?.into();
        // What cannot be read now must not be replaced by the little that the books know.
        let known = self.labels.cached(cache, &self.id, size, modified).ok()?;
        known.or_else(|| {
            let md5 = self.trusts_records.then(|| labels::checksum(cache, &self.id))?;
            let mut label = Label::of("", &HeaderMap::new(), Some(size), md5);
            label.modified = Some(modified);
            label.describe_as_glance();
            Some(self.labels.put(&self.id, label))
        })
    }
}

/// A small image or part is read at once; a larger one when it is sent.
fn read_small(mut reader: CachedReader) -> io::Result<Content> {
    match usize::try_from(reader.size()) {
        Ok(size) if size <= SMALL => {
            let mut bytes = Vec::with_capacity(size);
            reader.read_to_end(&mut bytes)?;
            Ok(Content::Whole(bytes.into()))
        }
        _ => Ok(Content::Large(reader)),
    }
}

impl Hit {
    /// The answer; `repair` is asked for the bytes of a block that turns out to be damaged.
    pub fn answer(self, status: CacheStatus, repair: Repair) -> Response<Body> {
        let mut head = answer::head(&self.label, self.size, &self.part);
        let age = self.label.age(SystemTime::now()).as_secs();
        head.headers_mut().insert(hyper::header::AGE, age.into());
        let body = match self.content {
            Content::Empty => body::empty(),
            Content::Whole(bytes) => body::full(bytes),
            Content::Large(reader) => {
                let end = match &self.part {
                    Part::Some(range) => range.end,
                    Part::All | Part::Unsatisfiable => self.size,
                };
                Blocks::of(reader, end, repair).boxed_unsync()
            }
        };
        status.mark(head.map(|()| body))
    }

    /// The answer to a client that has this very image (304).
    pub fn not_modified(&self, status: CacheStatus) -> Response<Body> {
        status.mark(answer::not_modified(&self.label).map(|()| body::empty()))
    }
}

/// The bytes of a large image: from the cache, and from the origin where a block turns out to be damaged.
struct Blocks {
    chunks: ImageStream,
    /// Bytes that are still to be handed out.
    left: u64,
    /// Where in the image they end.
    end: u64,
    /// Nothing once it is in use.
    repair: Option<Repair>,
}

impl Blocks {
    fn of(reader: CachedReader, end: u64, repair: Repair) -> Blocks {
        let left = reader.size();
        let chunks = ImageReader::from(reader).into_stream();
        Blocks { chunks, left, end, repair: Some(repair) }
    }

    /// What to go on with after an error, where that is a damaged block: no byte of it was handed out.
    fn repaired(&mut self, error: &io::Error) -> Option<ImageStream> {
        if !matches!(Error::of_io(error), Some(Error::Corrupt { .. })) {
            return None;
        }
        let (repair, start) = (self.repair.take()?, self.end - self.left);
        tracing::warn!(%error, start, "a block is damaged; the rest comes from the upstream");
        Some(Box::pin(repair.rest(start..self.end)))
    }
}

impl hyper::body::Body for Blocks {
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
