//! A cached image as an answer: opened, verified and read without holding up the runtime.

use super::answer::{self, mark};
use super::body::{Body, BodyError};
use super::buffers::{self, BLOCK, Buffer};
use super::fetch::Repair;
use super::label::Label;
use super::labels::Labels;
use super::range::{Asked, Part};
use super::requests::XCache;
use super::{body, labels};
use bytes::Bytes;
use futures_util::stream::{Stream, StreamExt};
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use hyper::header::HeaderMap;
use hyper::{Response, StatusCode};
use image_cache::{CachedReader, Error, ImageCache};
use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, Read};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;
use tokio::task::JoinHandle;

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
    /// The first block, and what the others are read from.
    Large(Pieces, CachedReader),
}

/// How an image is looked for.
pub struct Look<'a> {
    pub cache: &'a ImageCache,
    pub labels: &'a Labels,
    pub id: &'a str,
    pub headers: &'a HeaderMap,
    /// Without its bytes: for HEAD.
    pub is_head: bool,
    /// Whether an image of which nothing is known may be served with what the books know.
    pub trusts_books: bool,
}

impl Look<'_> {
    /// Opens the image and reads its first block, all in one go; for a thread that may block.
    pub fn open(&self, fits: impl FnOnce(&Label) -> bool) -> Result<Found, Error> {
        if self.labels.is_doomed(self.id) {
            return Ok(Found::Nothing);
        }
        let Some(reader) = self.cache.open_for_read(self.id)? else { return Ok(Found::Nothing) };
        let size = reader.image_size();
        let Some(label) = self.label(&reader, size) else { return Ok(Found::Nothing) };
        if !fits(&label) {
            return Ok(Found::Unfit(label));
        }
        let part = Asked::of(self.headers, Some(&label)).part(size);
        let reader = match &part {
            _ if self.is_head => None,
            Part::Unsatisfiable => None,
            Part::All => Some(reader),
            Part::Some(range) => match self.cache.open_range(self.id, range.clone())? {
                Some(part) if part.image_size() == size => Some(part),
                // Replaced in this very moment.
                _ => return Ok(Found::Nothing),
            },
        };
        let content = match reader {
            None => Content::Empty,
            Some(reader) => match read_first(reader) {
                Ok(content) => content,
                Err(error) => {
                    tracing::warn!(image = %self.id, %error, "it cannot be served from the cache");
                    return Ok(Found::Nothing);
                }
            },
        };
        Ok(Found::Hit(Hit { label, size, part, content }))
    }

    fn label(&self, reader: &CachedReader, size: u64) -> Option<Arc<Label>> {
        let modified = reader.modified().ok()?.into();
        let known = self.labels.cached(self.cache, self.id, size, modified);
        known.or_else(|| {
            let md5 = self.trusts_books.then(|| labels::checksum(self.cache, self.id))?;
            let mut label = Label::of("", &HeaderMap::new(), Some(size), md5);
            label.modified = Some(modified);
            label.describe_as_glance();
            Some(self.labels.put(self.id, label))
        })
    }
}

fn read_first(mut reader: CachedReader) -> io::Result<Content> {
    let first = next_block(&mut reader)?;
    let is_whole = first.len() as u64 == reader.size();
    Ok(match is_whole {
        true => Content::Whole(first),
        false => Content::Large(buffers::apportioned(first), reader),
    })
}

/// The next bytes, of one block; none at the end.
fn next_block(reader: &mut CachedReader) -> io::Result<Bytes> {
    if reader.size() < BLOCK as u64 {
        let mut small = vec![0; usize::try_from(reader.size().max(1)).unwrap_or(BLOCK)];
        let count = read(reader, &mut small)?;
        small.truncate(count);
        return Ok(small.into());
    }
    let mut block = Buffer::new();
    let count = read(reader, block.room())?;
    Ok(block.into_bytes(count))
}

fn read(reader: &mut CachedReader, room: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(room) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

impl Hit {
    /// The answer; `repair` is asked for the bytes of a block that turns out to be damaged.
    pub fn answer(self, repair: Repair) -> Response<Body> {
        let mut head = answer::head(&self.label, self.size, &self.part);
        let age = self.label.age(SystemTime::now()).as_secs();
        head.headers_mut().insert(hyper::header::AGE, age.into());
        let body = match self.content {
            Content::Empty => body::empty(),
            Content::Whole(bytes) => body::full(bytes),
            Content::Large(first, reader) => {
                let end = match &self.part {
                    Part::Some(range) => range.end,
                    Part::All | Part::Unsatisfiable => self.size,
                };
                Blocks::after(first, reader, end, repair).boxed_unsync()
            }
        };
        mark(XCache::Hit, head.map(|()| body))
    }

    /// The answer to a client that has this very image (304).
    pub fn not_modified(&self) -> Response<Body> {
        let mut head = answer::head(&self.label, self.size, &Part::All);
        *head.status_mut() = StatusCode::NOT_MODIFIED;
        head.headers_mut().remove(hyper::header::CONTENT_LENGTH);
        mark(XCache::Hit, head.map(|()| body::empty()))
    }
}

/// A block as it is handed out.
type Pieces = VecDeque<Bytes>;

type Reading = JoinHandle<(CachedReader, io::Result<Pieces>)>;

/// The blocks of a large image: one is read and verified while the one before is sent, where there is memory for that;
/// but for the last one, with which the hit is counted.
struct Blocks {
    state: State,
    /// Bytes that are still to be handed out.
    left: u64,
    /// Where in the image they end.
    end: u64,
    repair: Option<Repair>,
}

enum State {
    /// What comes next of a block, and what the others are read from.
    Ready(Pieces, CachedReader),
    Idle(CachedReader),
    Reading(Reading),
    /// From the origin, since a block was damaged.
    Repairing(Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>),
    Over,
}

impl Blocks {
    fn after(first: Pieces, reader: CachedReader, end: u64, repair: Repair) -> Blocks {
        let left = reader.size();
        Blocks { state: State::Ready(first, reader), left, end, repair: Some(repair) }
    }

    fn read(mut reader: CachedReader) -> State {
        State::Reading(tokio::task::spawn_blocking(move || {
            let block = next_block(&mut reader);
            (reader, block.map(buffers::apportioned))
        }))
    }

    /// Hands a piece out and, after the last one of a block, has the next block read.
    fn hand_out(&mut self, mut pieces: Pieces, reader: CachedReader) -> Option<Bytes> {
        let piece = pieces.pop_front()?;
        self.left = self.left.saturating_sub(piece.len() as u64);
        self.state = match self.left {
            0 => State::Over,
            _ if !pieces.is_empty() => State::Ready(pieces, reader),
            left if left > BLOCK as u64 && buffers::are_plenty() => Blocks::read(reader),
            _ => State::Idle(reader),
        };
        Some(piece)
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            match std::mem::replace(&mut self.state, State::Over) {
                State::Over => return Poll::Ready(None),
                State::Ready(pieces, reader) => {
                    return Poll::Ready(self.hand_out(pieces, reader).map(Ok));
                }
                State::Idle(reader) => self.state = Blocks::read(reader),
                State::Reading(mut task) => {
                    let Poll::Ready(read) = Pin::new(&mut task).poll(context) else {
                        self.state = State::Reading(task);
                        return Poll::Pending;
                    };
                    match read {
                        Ok((reader, Ok(pieces)))
                            if pieces.iter().any(|piece| !piece.is_empty()) =>
                        {
                            self.state = State::Ready(pieces, reader);
                        }
                        Ok((_, Ok(_))) => {
                            return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
                        }
                        Ok((_, Err(error))) => match self.repaired(&error) {
                            Some(state) => self.state = state,
                            None => return Poll::Ready(Some(Err(error))),
                        },
                        Err(lost) => return Poll::Ready(Some(Err(io::Error::other(lost)))),
                    }
                }
                State::Repairing(mut stream) => {
                    let Poll::Ready(next) = stream.poll_next_unpin(context) else {
                        self.state = State::Repairing(stream);
                        return Poll::Pending;
                    };
                    if let Some(Ok(bytes)) = &next {
                        self.left = self.left.saturating_sub(bytes.len() as u64);
                        self.state = State::Repairing(stream);
                    }
                    return Poll::Ready(next);
                }
            }
        }
    }

    /// Where the rest comes from when a block is damaged: no byte of it was handed out.
    fn repaired(&mut self, error: &io::Error) -> Option<State> {
        if !matches!(Error::of_io(error), Some(Error::Corrupt { .. })) {
            return None;
        }
        let start = self.end - self.left;
        tracing::warn!(%error, start, "a block is damaged; the rest comes from the upstream");
        let repair = self.repair.take()?;
        Some(State::Repairing(Box::pin(repair.rest(start..self.end))))
    }
}

impl hyper::body::Body for Blocks {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let next = ready!(self.poll(context));
        Poll::Ready(next.map(|next| next.map(Frame::data).map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, State::Over)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
