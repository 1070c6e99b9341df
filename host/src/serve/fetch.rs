//! The bytes of an image from the upstream: opened, resumed where they break off, and told to the labels.

use super::body;
use super::label::Label;
use super::service::Service;
use super::upstream::{Failure, Ranged};
use bytes::{Buf, Bytes};
use futures_util::stream::{self, Stream, StreamExt, TryStreamExt};
use hyper::body::{Body as _, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use image_cache::tokio::{ImageReader, resuming};
use image_cache::{Break, Expected, Route};
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// So often in a row a source that brings nothing is opened again.
const VAIN_ATTEMPTS: u32 = 4;

/// How long to wait before the second attempt; twice as long before each further one.
const PAUSE: Duration = Duration::from_millis(200);

type Chunks = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// A request for an image, with which more of them can be made.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The image in the cache.
    pub id: String,
    /// The image at the upstream: path and query.
    pub target: String,
    /// The caller's headers, less those that are about this one request.
    pub headers: HeaderMap,
}

/// What is about one request, and would change the answer to another one.
const ABOUT_THIS_REQUEST: [HeaderName; 13] = [
    header::RANGE,
    header::IF_RANGE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    header::ACCEPT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::EXPECT,
    header::CACHE_CONTROL,
    header::PRAGMA,
];

impl Ask {
    pub fn new(id: &str, target: &str, headers: &HeaderMap) -> Ask {
        let mut headers = headers.clone();
        for name in &ABOUT_THIS_REQUEST {
            headers.remove(name);
        }
        Ask { id: id.to_owned(), target: target.to_owned(), headers }
    }
}

/// How a fetch has begun.
pub enum Begun {
    Reading(ImageReader),
    /// Another process was quicker, and nobody can tell whether its image is the one of this answer.
    Elsewhere(Incoming),
}

/// Begins to fetch an image of which the answer's head has come, or reads along where another process was quicker.
pub async fn begin(
    service: &Arc<Service>,
    ask: Ask,
    answer: Incoming,
    label: Arc<Label>,
    expected: Expected,
) -> image_cache::Result<Begun> {
    let (id, size) = (ask.id.clone(), expected.size);
    let source = Source::new(service, ask, label, Some(answer));
    // Whoever comes now is to find it.
    source.announce();
    let stream = Arc::clone(&source).stream(size);
    let reader = service.cache.get_or_fetch_stream(&id, expected, stream).await?;
    if let Route::Cached | Route::Shared = reader.route()
        && let Some(answer) = source.unless_the_same().await
    {
        return Ok(Begun::Elsewhere(answer));
    }
    Ok(Begun::Reading(reader))
}

/// Reads an image that is cached or being fetched, or fetches it when that has been broken off.
pub async fn join(
    service: &Arc<Service>,
    ask: Ask,
    label: Arc<Label>,
    expected: Expected,
) -> image_cache::Result<ImageReader> {
    let id = ask.id.clone();
    let source = Source::new(service, ask, label, None);
    service.cache.get_or_fetch_stream(&id, expected.clone(), source.stream(expected.size)).await
}

/// An image at the upstream.
struct Source {
    service: Arc<Service>,
    ask: Ask,
    label: Arc<Label>,
    /// The answer that has begun already.
    begun: Mutex<Option<Incoming>>,
    /// The fetch's number, once it is announced.
    number: OnceLock<u64>,
}

impl Source {
    fn new(
        service: &Arc<Service>,
        ask: Ask,
        label: Arc<Label>,
        begun: Option<Incoming>,
    ) -> Arc<Source> {
        let (service, begun) = (Arc::clone(service), Mutex::new(begun));
        Arc::new(Source { service, ask, label, begun, number: OnceLock::new() })
    }

    fn announce(&self) -> u64 {
        let expect = || self.service.labels.expect(&self.ask.id, Arc::clone(&self.label));
        *self.number.get_or_init(expect)
    }

    /// Now that it is read: where that fills the cache, what is known of it is true of what will be cached.
    async fn promise(&self) {
        let number = self.announce();
        if self.service.is_being_fetched(&self.ask.id) {
            let (labels, id) = (Arc::clone(&self.service.labels), self.ask.id.clone());
            let promised = self.service.cache.run(move |_| {
                labels.promise(&id, number);
                Ok(())
            });
            // A runtime that stops keeps nothing.
            let _ = promised.await;
        }
    }

    /// The answer that has begun, where what another process has of the image may be another one: a checksum would show
    /// that, or the validators that it was told.
    async fn unless_the_same(&self) -> Option<Incoming> {
        if self.label.md5.is_some() {
            return None;
        }
        let (labels, id) = (Arc::clone(&self.service.labels), self.ask.id.clone());
        let label = Arc::clone(&self.label);
        let known = self.service.cache.run(move |_| Ok(labels.is_known_elsewhere(&id, &label)));
        if known.await.unwrap_or(false) {
            return None;
        }
        self.service.labels.disown(&self.ask.id, self.announce());
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Its bytes, opened when they are first asked for.
    fn stream(
        self: Arc<Self>,
        size: Option<u64>,
    ) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        let source = Arc::clone(&self);
        let chunks = resuming(size, move |broken| {
            let source = Arc::clone(&source);
            async move { source.open(broken).await }
        });
        // Until the stream is dropped, not only until its end: by then the image is published.
        chunks.inspect(move |_| {
            let _ = &self;
        })
    }

    async fn open(&self, broken: Break) -> io::Result<Chunks> {
        self.promise().await;
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(body) = begun.filter(|_| broken.offset == 0 && broken.error.is_none()) {
            return Ok(Box::pin(body::chunks(body, self.service.options.origin.upstream_timeout)));
        }
        let (offset, vain) = (broken.offset, broken.vain);
        if let Some(error) = &broken.error {
            if vain >= VAIN_ATTEMPTS {
                return Err(broken.into_error());
            }
            tracing::info!(image = %self.ask.id, %error, offset, "its fetch broke off, and is resumed");
            tokio::time::sleep(PAUSE * (1 << vain) * u32::from(vain > 0)).await;
        }
        // From the beginning nothing is mixed; but it must be what its readers were told.
        let is_same = if offset == 0 { Label::is_not_denied } else { Label::agrees };
        match self.service.rest(&self.ask, &self.label, offset, is_same).await {
            Ok(chunks) => Ok(chunks),
            // The upstream may be back in a moment.
            Err(Rest::Unreachable(error)) => Ok(Box::pin(stream::once(async { Err(error) }))),
            Err(Rest::Refused(reason)) => {
                tracing::warn!(image = %self.ask.id, offset, reason, "its fetch cannot be resumed");
                Err(broken.into_error())
            }
        }
    }
}

impl Drop for Source {
    /// The fetch has ended, and the library is done with it.
    fn drop(&mut self) {
        let Some(number) = self.number.get().copied() else { return };
        let (service, id) = (Arc::clone(&self.service), self.ask.id.clone());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let labels = Arc::clone(&service.labels);
                let settle = move |cache: &image_cache::ImageCache| {
                    labels.settle(cache, &id, number);
                    Ok(())
                };
                // A runtime that stops settles nothing: the image is fetched again after the restart.
                let _ = service.cache.run(settle).await;
            });
        }
    }
}

/// Why there is no rest of an image to be had.
enum Rest {
    Unreachable(io::Error),
    Refused(String),
}

impl Service {
    /// The bytes of an image from an offset on; only where the upstream still has the image that the label is of.
    async fn rest(
        &self,
        ask: &Ask,
        label: &Label,
        offset: u64,
        is_same: fn(&Label, &HeaderMap) -> bool,
    ) -> Result<Chunks, Rest> {
        let ranged = self.open(ask, (offset > 0).then_some(offset)).await?;
        let (response, skip) = match (ranged.status(), offset) {
            (StatusCode::OK, _) => (ranged, offset),
            (StatusCode::PARTIAL_CONTENT, 1..) => {
                if !starts_at(&ranged, offset, label.size) {
                    return Err(Rest::Refused(
                        "the upstream answered with another part".to_owned(),
                    ));
                }
                (ranged, 0)
            }
            (status, 1..) if Ranged::is_not_for(status) => (self.open(ask, None).await?, offset),
            (status, _) => return Err(Rest::Refused(format!("the upstream answered {status}"))),
        };
        if skip > 0 && response.status() != StatusCode::OK {
            let status = response.status();
            return Err(Rest::Refused(format!("the upstream answered {status}")));
        }
        let length = response.body().size_hint().exact().map(|length| length + offset - skip);
        let has_changed = matches!((length, label.size), (Some(now), Some(then)) if now != then);
        if has_changed || !is_same(label, response.headers()) {
            return Err(Rest::Refused(
                "the upstream has another image now, or does not say".to_owned(),
            ));
        }
        let chunks = body::chunks(response.into_body(), self.options.origin.upstream_timeout);
        Ok(Box::pin(skipping(chunks, skip)))
    }

    async fn open(&self, ask: &Ask, from: Option<u64>) -> Result<Response<Incoming>, Rest> {
        let mut headers = ask.headers.clone();
        if let Some(from) = from {
            headers.insert(header::RANGE, Ranged::from(from));
        }
        self.upstream.get(&ask.target, headers).await.map_err(|failure| match failure {
            Failure::Malformed => Rest::Refused("the path is malformed".to_owned()),
            failure => Rest::Unreachable(io::Error::other(failure.to_string())),
        })
    }
}

/// Whether a partial answer is the rest of an image from there on.
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

/// Where the bytes of a damaged block come from.
pub struct Repair {
    pub service: Arc<Service>,
    pub ask: Ask,
    pub label: Arc<Label>,
}

impl Repair {
    /// These bytes of the image, from the upstream.
    pub fn rest(self, range: Range<u64>) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        let (start, mut left) = (range.start, range.end - range.start);
        let opened = async move {
            let Repair { service, ask, label } = self;
            service.rest(&ask, &label, start, Label::agrees).await.map_err(|rest| match rest {
                Rest::Unreachable(error) => error,
                Rest::Refused(reason) => io::Error::other(reason),
            })
        };
        let cut = move |chunk: io::Result<Bytes>| {
            let chunk = chunk.map(|mut chunk| {
                chunk.truncate(usize::try_from(left).unwrap_or(usize::MAX));
                left -= chunk.len() as u64;
                chunk
            });
            // Not a byte more is read than is needed.
            std::future::ready(
                chunk
                    .as_ref()
                    .is_ok_and(Bytes::is_empty)
                    .then_some(())
                    .map_or(Some(chunk), |()| None),
            )
        };
        let mut cut = cut;
        stream::once(opened)
            .try_flatten()
            .filter(|chunk| std::future::ready(!chunk.as_ref().is_ok_and(Bytes::is_empty)))
            .scan((), move |(), chunk| cut(chunk))
    }
}
