//! Fetches of images: started, registered in the response store, and resumed if they are interrupted.

mod resume;

pub use resume::Repair;

use super::options::Profile;
use super::proxy::ImageGet;
use super::service::Service;
use super::stored_response::StoredResponse;
use super::timeout_body::chunks;
use super::upstream_request::UpstreamRequest;
use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use hyper::body::Incoming;
use image_cache::tokio::{ImageReader, ImageStream, resuming};
use image_cache::{Break, Route};
use resume::ResumeError;
use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// A source that returns no bytes is opened at most this many times in a row.
const MOST_VAIN_ATTEMPTS: u32 = 4;

/// The wait before the second attempt without progress; it doubles before each further one.
const FIRST_BACKOFF: Duration = Duration::from_millis(200);

/// How a fetch has started.
pub enum FetchStart {
    Reading(ImageReader),
    /// Another process fetches the image, and it is unknown whether it fetches the image of this response.
    AnotherProcess(Incoming),
}

/// Starts to fetch an image whose response header has arrived, or follows another process's fetch that started earlier.
pub async fn start(
    get: &ImageGet,
    body: Incoming,
    stored: Arc<StoredResponse>,
) -> image_cache::Result<FetchStart> {
    let (id, size, expected) = (&get.request.id, stored.size, stored.expected());
    let source = UpstreamSource::new(get, stored, Some(body));
    // This precedes the first read, so that requests that arrive from now on find the fetch.
    source.register();
    let stream = Arc::clone(&source).stream(size);
    let reader = get.cache().get_or_fetch_stream(id, expected, stream).await?;
    if let Route::Cached | Route::Shared = reader.route()
        && let Some(body) = source.take_body_unless_same().await
    {
        return Ok(FetchStart::AnotherProcess(body));
    }
    Ok(FetchStart::Reading(reader))
}

/// Reads an image that is cached or being fetched, of this size if it is known; fetches it again if its fetch was interrupted.
pub async fn join(
    get: &ImageGet,
    stored: Arc<StoredResponse>,
    size: Option<u64>,
) -> image_cache::Result<ImageReader> {
    let mut expected = stored.expected();
    expected.size = size;
    let source = UpstreamSource::new(get, stored, None).stream(size);
    get.cache().get_or_fetch_stream(&get.request.id, expected, source).await
}

/// An image at the upstream.
struct UpstreamSource {
    service: Arc<Service>,
    request: UpstreamRequest,
    stored: Arc<StoredResponse>,
    /// The body of the response whose header has arrived.
    body: Mutex<Option<Incoming>>,
    /// The generation of the fetch, once it is registered.
    generation: OnceLock<u64>,
}

impl UpstreamSource {
    fn new(
        get: &ImageGet,
        stored: Arc<StoredResponse>,
        body: Option<Incoming>,
    ) -> Arc<UpstreamSource> {
        let (service, request) = (Arc::clone(&get.service), get.request.clone());
        let (body, generation) = (Mutex::new(body), OnceLock::new());
        Arc::new(UpstreamSource { service, request, stored, body, generation })
    }

    fn register(&self) -> u64 {
        let UpstreamRequest { id, epoch, .. } = &self.request;
        let begin = || self.service.responses.begin(id, Arc::clone(&self.stored), *epoch);
        *self.generation.get_or_init(begin)
    }

    /// Persists the response if this fetch fills the cache: then the response describes the incomplete file.
    async fn persist(&self) {
        let generation = self.register();
        if self.service.is_being_fetched(&self.request.id) {
            let (stored, epoch) = (Arc::clone(&self.stored), self.request.epoch);
            let persisted = self.service.run(&self.request.id, move |responses, _, id| {
                responses.persist(id, generation, &stored, epoch);
                Ok(())
            });
            // It fails only if the runtime stops.
            let _ = persisted.await;
        }
    }

    /// The body of the response, if another process may fetch a different image: neither a checksum would show that, nor the
    /// validators that the other process received.
    async fn take_body_unless_same(&self) -> Option<Incoming> {
        // An id of Glance has one checksum for all clients; the image of a plain upstream may depend on the client.
        let is_same_for_all = self.service.options.origin.profile == Profile::Glance;
        if is_same_for_all && self.stored.md5.is_some() {
            return None;
        }
        let stored = Arc::clone(&self.stored);
        let known = self.service.run(&self.request.id, move |responses, _, id| {
            Ok(responses.is_same_elsewhere(id, &stored))
        });
        if known.await.unwrap_or(false) {
            return None;
        }
        self.service.responses.abandon(&self.request.id, self.register());
        self.take_body()
    }

    fn take_body(&self) -> Option<Incoming> {
        self.body.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The bytes; the request to the upstream is sent at the first read.
    fn stream(
        self: Arc<Self>,
        size: Option<u64>,
    ) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        let source = Arc::clone(&self);
        let chunks = resuming(size, move |broken| {
            let source = Arc::clone(&source);
            async move { source.open(broken).await }
        });
        // The source lives until the stream is dropped, not only until its end: by then the image is published.
        chunks.inspect(move |_| {
            let _ = &self;
        })
    }

    async fn open(&self, broken: Break) -> io::Result<ImageStream> {
        self.persist().await;
        let timeout = self.service.options.origin.upstream_timeout;
        if let Some(body) =
            self.take_body().filter(|_| broken.offset == 0 && broken.error.is_none())
        {
            return Ok(Box::pin(chunks(body, timeout)));
        }
        let (offset, vain) = (broken.offset, broken.attempts_without_bytes);
        if let Some(error) = &broken.error {
            if vain >= MOST_VAIN_ATTEMPTS {
                return Err(broken.into_error());
            }
            tracing::info!(image = %self.request.id, %error, offset, "the fetch was interrupted; it is resumed");
            tokio::time::sleep(FIRST_BACKOFF * (1 << vain) * u32::from(vain > 0)).await;
        }
        // A fetch from the start does not mix images, but it must be the image whose header the readers already have.
        let is_same = match offset {
            0 => StoredResponse::is_compatible_with,
            _ => StoredResponse::matches,
        };
        match self.service.resume(&self.request, &self.stored, offset, is_same).await {
            Ok(chunks) => Ok(chunks),
            // The upstream may soon be reachable again.
            Err(ResumeError::Unreachable(error)) => {
                Ok(Box::pin(stream::once(async { Err(error) })))
            }
            Err(ResumeError::Refused(reason)) => {
                tracing::warn!(image = %self.request.id, offset, reason, "the fetch cannot be resumed");
                Err(broken.into_error())
            }
        }
    }
}

impl Drop for UpstreamSource {
    /// The fetch has ended, and the library does not need it any more.
    fn drop(&mut self) {
        let Some(generation) = self.generation.get().copied() else { return };
        let (service, id) = (Arc::clone(&self.service), self.request.id.clone());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let finished = service.run(&id, move |responses, _, id| {
                    responses.finish(id, generation);
                    Ok(())
                });
                // It fails only if the runtime stops: the image is fetched again after the restart.
                let _ = finished.await;
            });
        }
    }
}
