//! The upstream: its connections, and the rules for each request to it. It never follows a redirect.

mod base_url;
mod connection;
mod dot_segments;
mod failure;
mod message;
mod pool;
mod ranged;
mod send_timeout;
mod uri_reference;

pub use base_url::BaseUrl;
pub use failure::UpstreamError;
pub use message::{IsFramed, named_by_connection};
pub use ranged::{cannot_do_ranges, range_from};

use super::body::Body;
use super::options::{Origin, Profile};
use super::{body, tls, via};
use bytes::Bytes;
use connection::SendError;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper::header::HeaderMap;
use hyper::{Method, Request, Response, Version, header};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::connect::HttpConnector;
use message::{strip, well_formed};
use pool::Pool;
use send_timeout::SendProgress;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// The maximum number of header lines in a response.
const MOST_HEADERS: usize = 512;

/// The HTTP client for the upstream.
///
/// Every request of the service goes through [`send`](Self::send), so these rules apply to all: connection-specific fields are
/// removed, no URL outside the base path is requested, each wait has a timeout, and a request is repeated only if it is safe to do
/// so. Dropping a response closes its connection, because the rest of the body is unread.
pub struct Upstream {
    connections: Arc<Pool>,
    /// The same, but malformed header lines of responses are ignored, as browsers do. Ignored lines may have been about
    /// sharing, so the cache does not store these responses.
    lenient: Arc<Pool>,
    pub base: BaseUrl,
    /// Whether the upstream gets the Host that the client sent, or its own name.
    passes_host: bool,
    timeout: Duration,
}

impl Upstream {
    pub fn new(origin: &Origin) -> anyhow::Result<Upstream> {
        let mut http = HttpConnector::new();
        http.set_nodelay(true);
        http.enforce_http(false);
        http.set_connect_timeout(Some(origin.upstream_timeout));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls::client_config(origin)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let mut protocol = http1::Builder::new();
        protocol
            // A response that browsers accept is not refused (RFC 9112, 5.1 and 5.2).
            .allow_spaces_after_header_name_in_responses(true)
            .allow_obsolete_multiline_headers_in_responses(true)
            .max_headers(MOST_HEADERS);
        let (base, timeout) = (BaseUrl::new(origin.upstream.clone()), origin.upstream_timeout);
        let connections = Pool::new(base.url(), connector.clone(), protocol.clone());
        protocol.ignore_invalid_headers_in_responses(true);
        let lenient = Pool::new(base.url(), connector, protocol);
        let passes_host = origin.profile == Profile::Glance;
        Ok(Upstream { connections, lenient, base, passes_host, timeout })
    }

    /// Sends a GET with these headers.
    pub async fn get(
        &self,
        target: &str,
        headers: HeaderMap,
    ) -> Result<Response<Incoming>, UpstreamError> {
        let mut request = Request::new(body::empty());
        *request.headers_mut() = headers;
        self.send(target, request).await
    }

    /// Sends a request unchanged, except for connection-specific fields.
    ///
    /// The upstream may close an idle connection just when the service uses it again. An idempotent request without a body
    /// is then sent again on a new connection, because others of the pool may also be closed.
    pub async fn send(
        &self,
        target: &str,
        mut request: Request<Body>,
    ) -> Result<Response<Incoming>, UpstreamError> {
        *request.uri_mut() = self.base.join(target)?;
        let received = std::mem::replace(request.version_mut(), Version::HTTP_11);
        strip(request.headers_mut());
        via::add(request.headers_mut(), received);
        if !self.passes_host {
            request.headers_mut().remove(header::HOST);
        }
        if !request.headers().contains_key(header::HOST) {
            request.headers_mut().insert(header::HOST, self.base.host()?);
        }
        let can_be_repeated = request.body().is_end_stream() && is_idempotent(request.method());
        if !can_be_repeated {
            let answer = self.answer(request, |it| self.lenient.send(it)).await;
            return answer.and_then(well_formed);
        }
        let again = copy(&request);
        // A request that changes something is not repeated after the first byte of a response, however malformed.
        let pool = if request.method().is_safe() { &self.connections } else { &self.lenient };
        let mut answer = self.answer(request, |it| pool.send(it)).await;
        if let Err(UpstreamError::BrokeOff(reason)) = &answer {
            tracing::debug!(reason, "the request is sent again on a new connection");
            answer = self.answer(copy(&again), |it| pool.send_on_new(it)).await;
        }
        match answer {
            Err(UpstreamError::Unreadable(reason)) if again.method().is_safe() => {
                tracing::debug!(
                    reason,
                    "the request is sent again; malformed header lines are ignored"
                );
                let answer = self.answer(again, |it| self.lenient.send(it)).await;
                let mut answer = answer.and_then(well_formed)?;
                answer.extensions_mut().insert(IsFramed(false));
                Ok(answer)
            }
            answer => answer.and_then(well_formed),
        }
    }

    /// The response to a request that `send` sends, if it arrives in time.
    async fn answer<F>(
        &self,
        request: Request<Body>,
        send: impl FnOnce(Request<Body>) -> F,
    ) -> Result<Response<Incoming>, UpstreamError>
    where
        F: Future<Output = Result<Response<Incoming>, SendError>>,
    {
        let (sending, request) = SendProgress::watch(request);
        tokio::select! {
            answer = send(request) => answer.map_err(UpstreamError::from),
            () = sending.stalled_for(self.timeout) => Err(UpstreamError::TimedOut),
        }
    }

    /// Reads a short body to its end: at most `most` bytes, within the upstream's timeout.
    pub async fn collect(&self, body: Incoming, most: usize) -> Result<Bytes, String> {
        let collected = tokio::time::timeout(self.timeout, Limited::new(body, most).collect());
        match collected.await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the upstream sends no more data".to_owned()),
        }
    }
}

/// Whether a method may be repeated if it is unknown whether it was carried out (RFC 9110, 9.2.2).
fn is_idempotent(method: &Method) -> bool {
    let known =
        [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE, Method::PUT, Method::DELETE];
    known.contains(method)
}

/// A copy of a request without a body.
fn copy(request: &Request<Body>) -> Request<Body> {
    let mut again = Request::new(body::empty());
    *again.method_mut() = request.method().clone();
    *again.uri_mut() = request.uri().clone();
    *again.headers_mut() = request.headers().clone();
    again
}
