//! The bytes of an image from the upstream: opened, resumed where they break off, and told to the labels.

mod rest;

pub use rest::Repair;

use super::body;
use super::label::Label;
use super::labels::Changes;
use super::options::Profile;
use super::service::Service;
use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use image_cache::tokio::{ImageReader, resuming};
use image_cache::{Break, Expected, Route};
use rest::Rest;
use std::io;
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
    /// What it carries of the caller's header fields.
    pub headers: HeaderMap,
    /// The changes of images that were known before it was sent.
    pub asked: Changes,
}

impl Ask {
    pub fn new(id: &str, target: &str, headers: HeaderMap) -> Ask {
        let (id, target) = (id.to_owned(), target.to_owned());
        Ask { id, target, headers, asked: Changes::default() }
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
        let Ask { id, asked, .. } = &self.ask;
        let expect = || self.service.labels.expect(id, Arc::clone(&self.label), *asked);
        *self.number.get_or_init(expect)
    }

    /// Now that it is read: where that fills the cache, what is known of it is true of what will be cached.
    async fn promise(&self) {
        let number = self.announce();
        if self.service.is_being_fetched(&self.ask.id) {
            let (labels, id) = (Arc::clone(&self.service.labels), self.ask.id.clone());
            let (label, asked) = (Arc::clone(&self.label), self.ask.asked);
            let promised = self.service.cache.run(move |_| {
                labels.promise(&id, number, &label, asked);
                Ok(())
            });
            // A runtime that stops keeps nothing.
            let _ = promised.await;
        }
    }

    /// The answer that has begun, where what another process has of the image may be another one: a checksum would show
    /// that, or the validators that it was told.
    async fn unless_the_same(&self) -> Option<Incoming> {
        // An id of Glance's has one checksum for all; what the upstream of `plain` has may differ from caller to caller.
        let is_same_for_all = self.service.options.origin.profile == Profile::Glance;
        if is_same_for_all && self.label.md5.is_some() {
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
        let (offset, vain) = (broken.offset, broken.attempts_without_bytes);
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
