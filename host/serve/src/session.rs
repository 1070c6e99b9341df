//! A client's connection: the TLS handshake, requests and responses, and the close.

use super::active_request::ActiveRequest;
use super::body::Body;
use super::client_socket::ClientSocket;
use super::connections::ConnectionSlot;
use super::lingering_close::LingeringClose;
use super::log_limit::LogLimit;
use super::options::ClientLimits;
use super::signals::Stop;
use super::timeout_stream::TimeoutStream;
use futures_util::future::BoxFuture;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;

/// hyper's buffers are no smaller. A header may fill one, and hyper must have room to read the bytes after it.
const BEYOND_HEAD: usize = 8 * 1024;

/// Responds to a request. The future has its own memory, which an idle connection does not need.
pub type Respond = Arc<dyn Fn(Request<Body>) -> BoxFuture<'static, Response<Body>> + Send + Sync>;

/// A client's connection.
pub struct ClientSession {
    pub acceptor: Option<TlsAcceptor>,
    pub limits: ClientLimits,
    pub stop: Stop,
    pub log: Arc<LogLimit>,
    pub slot: ConnectionSlot,
    pub respond: Respond,
}

impl ClientSession {
    /// Serves the connection until the client or the service closes it.
    pub async fn serve(mut self, socket: ClientSocket) {
        let connection = Arc::clone(&self.slot.connection);
        let timeout = self.limits.body_timeout;
        let stream = TimeoutStream::new(socket.clone(), timeout, Arc::clone(&connection));
        let Some(acceptor) = self.acceptor.take() else {
            return self.serve_http(socket, stream).await;
        };
        let handshake = tokio::time::timeout(self.limits.idle_timeout, acceptor.accept(stream));
        let stream = tokio::select! {
            stream = handshake => stream,
            () = self.stop.wait() => return,
            () = connection.closing() => return close(socket).await,
        };
        match stream {
            Ok(Ok(stream)) => self.serve_http(socket, stream).await,
            Ok(Err(error)) if self.log.allow("TLS") => {
                tracing::warn!(%error, "the TLS handshake with a client failed");
            }
            Ok(Err(error)) => tracing::debug!(%error, "the TLS handshake with a client failed"),
            Err(_) => tracing::debug!("a client did not finish its TLS handshake"),
        }
    }

    async fn serve_http(
        self,
        socket: ClientSocket,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) {
        let ClientSession { limits, mut stop, log, slot, respond, .. } = self;
        let connection = Arc::clone(&slot.connection);
        let service = http_service(slot, socket.clone(), limits.body_timeout, respond);
        let mut served = pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(limits.idle_timeout)
                .half_close(true)
                .max_header_size(limits.max_head)
                .max_buf_size(limits.max_head + BEYOND_HEAD)
                .serve_connection(TokioIo::new(stream), service)
        );
        let mut is_ending = false;
        let ended = loop {
            tokio::select! {
                biased;
                ended = served.as_mut() => break ended,
                () = stop.wait(), if !is_ending => {}
                () = connection.closing(), if !is_ending => {
                    if !connection.has_had_request() {
                        return close(socket).await;
                    }
                }
            }
            is_ending = true;
            served.as_mut().graceful_shutdown();
        };
        if let Err(error) = ended {
            log_end(&log, &error, limits.max_head);
        }
    }
}

/// Responds to the requests of a connection and marks it as busy meanwhile.
fn http_service(
    slot: ConnectionSlot,
    client: ClientSocket,
    timeout: Duration,
    respond: Respond,
) -> impl Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future: Send> {
    let slot = Arc::new(slot);
    service_fn(move |request: Request<Incoming>| {
        let active = ActiveRequest::new(&slot, &client);
        let request = request.map(|body| active.begin(body, timeout));
        let response = respond(request);
        async move { Ok(response.await.map(|body| active.respond(body))) }
    })
}

/// Closes a connection whose first request did not arrive in time. If the client sends it now, the service reads and
/// discards it, so that the client sees the end of the connection and not a reset.
async fn close(socket: ClientSocket) {
    if socket.shut_down().is_ok() {
        let mut lingering = LingeringClose::new();
        std::future::poll_fn(|cx| lingering.poll_end(cx, &socket)).await;
    }
}

/// Logs why a connection ended early; for a client's mistake at a limited rate.
fn log_end(log: &LogLimit, error: &hyper::Error, max_head: usize) {
    match error {
        error if error.is_parse_too_large() => {
            if log.allow("too large") {
                tracing::warn!(
                    max_head,
                    "a request's head is too large; the response was 431 or 414"
                );
            }
        }
        error if error.is_parse() => {
            if log.allow("malformed") {
                tracing::warn!(%error, "a request was malformed; the response was 400");
            }
        }
        error => tracing::debug!(%error, "a connection broke off"),
    }
}
