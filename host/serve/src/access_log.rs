//! The access log: each request gets an id, and one line when its response has ended. The line also updates the metrics.

use super::body::{self, Body, PolledFrame};
use super::cache_status::{self, CacheStatus};
use super::metrics::ServeMetrics;
use super::service::{Service, target};
use headers::{ContentLength, HeaderMapExt};
use hyper::body::Body as _;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};
use std::time::Instant;
use tracing::{Instrument, Span};

/// The name of the clients' listener in the log.
pub const CLIENTS: &str = "clients";

/// The header field with the id of a request, as OpenStack's services and their clients use it.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-openstack-request-id");

/// The next request's id: `req-` and 32 hexadecimal digits in OpenStack's grouping. They identify the process and its
/// request.
fn next_id() -> String {
    static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(0));
    static LAST: AtomicU64 = AtomicU64::new(0);
    let (high, low) = (*PROCESS, LAST.fetch_add(1, Ordering::Relaxed));
    let (middle, end) = (high >> 16 & 0xffff, high & 0xffff);
    format!(
        "req-{:08x}-{middle:04x}-{end:04x}-{:04x}-{:012x}",
        high >> 32,
        low >> 48,
        low & !0 >> 16
    )
}

/// Serves a request under its own id, which is in each line that is logged during the request.
///
/// The response has this id unless the upstream has set another one.
pub async fn log_access<R, F>(
    service: &Service,
    listener: &'static str,
    request: Request<R>,
    answer: impl FnOnce(Request<R>) -> F,
) -> Response<Body>
where
    F: Future<Output = Response<Body>>,
{
    let (id, begun) = (next_id(), Instant::now());
    let caller = callers_id(request.headers()).map(str::to_owned);
    let span = tracing::error_span!("request", %id, caller, listener);
    let (method, path) =
        (request.method().clone(), service.credentials.without(request.uri().path()));
    let trace = service.trace.as_ref().filter(|_| listener == CLIENTS);
    let recorded = trace.map(|trace| (trace, service.credentials.hidden(target(&request))));
    let mut response = answer(request).instrument(span.clone()).await;
    if let Some((trace, target)) = recorded {
        trace.record(&method, target, &response);
    }
    let upstream = response.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok());
    let mut entry = AccessLogEntry {
        upstream: upstream.map(str::to_owned),
        status: response.status(),
        cache: CacheStatus::of(&response),
        length: response.headers().typed_get::<ContentLength>().map(|length| length.0),
        has_ended: response.body().is_end_stream(),
        method,
        path,
        begun,
        bytes: 0,
        failed: None,
        span,
        metrics: Arc::clone(&service.metrics),
    };
    if entry.upstream.is_none()
        && let Ok(id) = HeaderValue::try_from(id)
    {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    cache_status::write(&mut response);
    response.map(|body| body::polled_by(body, move |body, cx| entry.poll(body, cx)))
}

/// The id that the client gave its request, if its form is that of an id.
fn callers_id(headers: &HeaderMap) -> Option<&str> {
    let id = headers.get(REQUEST_ID)?.to_str().ok()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    (id.len() <= 64 && id.chars().all(plain)).then_some(id)
}

/// A request and its response; it is logged when the response has ended.
struct AccessLogEntry {
    method: Method,
    path: String,
    status: StatusCode,
    cache: Option<CacheStatus>,
    upstream: Option<String>,
    length: Option<u64>,
    begun: Instant,
    /// Bytes of the body that the service has sent.
    bytes: u64,
    /// Whether the body has no further frame.
    has_ended: bool,
    failed: Option<String>,
    span: Span,
    metrics: Arc<ServeMetrics>,
}

impl AccessLogEntry {
    /// Reads the next frame of the body and counts its bytes.
    fn poll(&mut self, body: &mut Body, cx: &mut Context<'_>) -> PolledFrame {
        let _entered = self.span.enter();
        let frame = Pin::new(&mut *body).poll_frame(cx);
        match &frame {
            Poll::Ready(Some(Ok(frame))) => {
                self.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
            }
            Poll::Ready(Some(Err(error))) => self.failed = Some(error.to_string()),
            // The body ended and has no declared length: it is complete.
            Poll::Ready(None) => self.length = Some(self.bytes),
            Poll::Pending => {}
        }
        self.has_ended = body.is_end_stream();
        frame
    }

    /// Whether the whole body was sent.
    fn is_whole(&self) -> bool {
        let is_complete = self.has_ended || self.length == Some(self.bytes);
        self.method == Method::HEAD || (self.failed.is_none() && is_complete)
    }
}

impl Drop for AccessLogEntry {
    fn drop(&mut self) {
        let is_whole = self.is_whole();
        self.metrics.count_response(self.status, self.cache, self.bytes, is_whole);
        let _entered = self.span.enter();
        let (method, path, status) = (&self.method, &self.path, self.status.as_u16());
        let (cache, bytes) = (self.cache.and_then(CacheStatus::x_cache), self.bytes);
        let reason = self.cache.map(CacheStatus::reason);
        let (upstream, ms) = (self.upstream.as_deref(), self.begun.elapsed().as_millis() as u64);
        match &self.failed {
            Some(error) => {
                tracing::warn!(%method, path, status, cache, reason, bytes, ms, upstream, error, "response interrupted")
            }
            None if is_whole => {
                tracing::info!(%method, path, status, cache, reason, bytes, ms, upstream, "answered")
            }
            None => {
                tracing::info!(%method, path, status, cache, reason, bytes, ms, upstream, "the client left")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_look_like_openstack_s_and_differ() {
        let [one, other] = [(); 2].map(|()| next_id());
        assert_ne!(one, other);
        let lengths: Vec<usize> = one.split('-').map(str::len).collect();
        assert_eq!(lengths, [3, 8, 4, 4, 4, 12], "{one}");
    }

    #[test]
    fn a_client_s_id_is_used_only_if_it_has_the_form_of_one() {
        let id = |text: &'static str| {
            let headers = HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_static(text))]);
            callers_id(&headers).map(str::to_owned)
        };
        assert_eq!(id("req-1-2").as_deref(), Some("req-1-2"));
        assert_eq!((id("req 1"), id("a\tb")), (None, None));
    }
}
