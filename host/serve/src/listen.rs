//! The listeners: addresses, connections and their limits, and how they end.

use super::body::{Body, BodyError};
use super::client_socket::{ClientSocket, PeerState};
use super::connections::{Connections, Place};
use super::descriptors::Descriptors;
use super::log_limit::LogLimit;
use super::options::ClientLimits;
use super::signals::Stop;
use super::timeout_body::TimeoutBody;
use super::timeout_stream::TimeoutStream;
use super::{body, timeouts};
use anyhow::Context;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io::Write;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::task::{Context as Task, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep};
use tokio_rustls::TlsAcceptor;

/// hyper's buffers are no smaller; a head may fill one and must leave room to see what follows.
const BEYOND_HEAD: usize = 8 * 1024;

pub async fn bind(address: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}

/// Prints where a listener is to be found: port 0 took any. Whoever does not read it holds up nothing.
pub fn say(what: &str, listener: &TcpListener) -> anyhow::Result<()> {
    let line = format!("{what} {}\n", listener.local_addr()?);
    let (tell, told) = channel();
    let write = move || {
        let mut output = std::io::stdout().lock();
        let written = output.write_all(line.as_bytes()).and_then(|()| output.flush());
        // Nobody may wait for it any more.
        let _ = tell.send(written);
    };
    std::thread::Builder::new().name("image-cache-stdout".into()).spawn(write)?;
    match told.recv_timeout(timeouts::LISTENING_LINE) {
        Ok(written) => written.context("cannot write to standard output"),
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
            tracing::warn!("nobody reads standard output: where the service listens is not said");
            Ok(())
        }
    }
}

/// Where requests come from, and what may come.
pub struct Listener {
    pub socket: TcpListener,
    pub acceptor: Option<TlsAcceptor>,
    pub limits: ClientLimits,
    pub connections: Arc<Connections>,
    pub descriptors: Arc<Descriptors>,
    pub log: Arc<LogLimit>,
}

impl Listener {
    /// Has requests answered until the stop, and then finishes what is being answered, for as long as that may
    /// take.
    pub async fn serve<A, F, B>(self, answer: A, mut stop: Stop)
    where
        A: Fn(Request<Body>) -> F + Clone + Send + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: http_body::Body<Data = Bytes, Error = BodyError> + Send + Unpin + 'static,
    {
        let mut running = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.accept() => accepted,
                () = stop.wait() => break,
            };
            while running.try_join_next().is_some() {}
            if let Some((stream, place)) = accepted {
                let session = Session {
                    acceptor: self.acceptor.clone(),
                    limits: self.limits.clone(),
                    stop: stop.clone(),
                    log: Arc::clone(&self.log),
                    place,
                };
                running.spawn(session.begin(stream, answer.clone()));
            }
        }
        drop(self.socket);
        tokio::select! {
            () = async { while running.join_next().await.is_some() {} } => {}
            () = tokio::time::sleep(self.limits.stop_within) => {
                tracing::warn!("answers that did not end in time are broken off");
            }
            () = stop.wait_for_now() => {}
        }
        let _ = tokio::time::timeout(timeouts::SHUTDOWN_STEP, running.shutdown()).await;
    }

    /// The next connection, once there may be one more.
    async fn accept(&self) -> Option<(TcpStream, Place)> {
        match self.socket.accept().await {
            Ok((stream, _)) => {
                let place = self.connections.place(|| self.descriptors.has_room()).await;
                Some((stream, place))
            }
            Err(error) => {
                if self.log.allow("accept") {
                    tracing::warn!(%error, "cannot accept a connection; it is tried again");
                }
                // Too many open files, mostly: whoever is idle makes room.
                self.connections.close_one();
                tokio::time::sleep(timeouts::ACCEPT_PAUSE).await;
                None
            }
        }
    }
}

/// A connection that is served.
struct Session {
    acceptor: Option<TlsAcceptor>,
    limits: ClientLimits,
    stop: Stop,
    log: Arc<LogLimit>,
    place: Place,
}

impl Session {
    async fn begin<A, F, B>(mut self, stream: TcpStream, answer: A)
    where
        A: Fn(Request<Body>) -> F + Send + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: http_body::Body<Data = Bytes, Error = BodyError> + Send + Unpin + 'static,
    {
        let _ = stream.set_nodelay(true);
        let connection = Arc::clone(&self.place.connection);
        let client = ClientSocket::new(stream);
        let patience = self.limits.body_timeout;
        let stream = TimeoutStream::new(client.clone(), patience, Arc::clone(&connection));
        let Some(acceptor) = self.acceptor.take() else {
            return self.go_on(client, stream, answer).await;
        };
        let greeted = tokio::select! {
            greeted = tokio::time::timeout(self.limits.idle_timeout, acceptor.accept(stream)) => greeted,
            () = self.stop.wait() => return,
            () = connection.is_to_close() => return,
        };
        match greeted {
            Ok(Ok(stream)) => self.go_on(client, stream, answer).await,
            Ok(Err(error)) if self.log.allow("TLS") => {
                tracing::warn!(%error, "no TLS with a client");
            }
            Ok(Err(error)) => tracing::debug!(%error, "no TLS with a client"),
            Err(_) => tracing::debug!("a client did not finish its greeting"),
        }
    }

    async fn go_on<A, F, B>(
        self,
        client: ClientSocket,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        answer: A,
    ) where
        A: Fn(Request<Body>) -> F + Send + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: http_body::Body<Data = Bytes, Error = BodyError> + Send + Unpin + 'static,
    {
        let Session { limits, mut stop, log, place, .. } = self;
        let (patience, place) = (limits.body_timeout, Arc::new(place));
        let connection = Arc::clone(&place.connection);
        let answer = service_fn(move |request: Request<Incoming>| {
            let answering = Answering(Arc::clone(&place));
            let request = request.map(|body| answering.client_body(body, patience));
            // In memory of its own, which an idle connection does not have.
            let answer = Box::pin(answer(request));
            let client = client.clone();
            async move {
                let answer = answer.await;
                let answered = |body| Answered { body, client, look: None, _answering: answering };
                Ok::<_, Infallible>(answer.map(answered))
            }
        });
        let mut served = pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(limits.idle_timeout)
                .half_close(true)
                .max_header_size(limits.max_head)
                .max_buf_size(limits.max_head + BEYOND_HEAD)
                .serve_connection(TokioIo::new(stream), answer)
        );
        let mut told = false;
        let ended = loop {
            tokio::select! {
                biased;
                ended = served.as_mut() => break ended,
                () = stop.wait(), if !told => {}
                () = connection.is_to_close(), if !told => {
                    if connection.has_had_no_request() {
                        return;
                    }
                }
            }
            told = true;
            served.as_mut().graceful_shutdown();
        };
        if let Err(error) = ended {
            tell(&log, &error, limits.max_head);
        }
    }
}

/// Why a connection ended early: what its client did wrong is worth a line now and then.
fn tell(log: &LogLimit, error: &hyper::Error, max_head: usize) {
    match error {
        error if error.is_parse_too_large() => {
            if log.allow("too large") {
                tracing::warn!(
                    max_head,
                    "a request's head is too large: it was answered with 431 or 414"
                );
            }
        }
        error if error.is_parse() => {
            if log.allow("malformed") {
                tracing::warn!(%error, "a request was malformed: it was answered with 400");
            }
        }
        error => tracing::debug!(%error, "a connection broke off"),
    }
}

/// A request is being answered; dropped, it is not any more.
struct Answering(Arc<Place>);

impl Answering {
    /// What the client sends with its request, for so long as it goes on sending.
    fn client_body(&self, body: Incoming, patience: Duration) -> Body {
        // A body that is none needs no patience, and must be seen to be none.
        let has_body = !body.is_end_stream();
        let connection = &self.0.connection;
        connection.begin_request(has_body);
        match has_body {
            false => body::empty(),
            true => TimeoutBody::of_client(body, patience, Arc::clone(connection)).boxed_unsync(),
        }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.end_request();
    }
}

/// An answer's body; when hyper lets it go, the request is answered.
struct Answered<B> {
    body: B,
    client: ClientSocket,
    /// Since when no byte has come for the client, and when it is looked after next.
    look: Option<(Instant, Pin<Box<Sleep>>)>,
    _answering: Answering,
}

impl<B> http_body::Body for Answered<B>
where
    B: http_body::Body<Data = Bytes, Error = BodyError> + Unpin,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Task<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(task) {
            this.look = None;
            return Poll::Ready(frame);
        }
        let (since, look) = this.look.get_or_insert_with(|| {
            (Instant::now(), Box::pin(tokio::time::sleep(timeouts::CLIENT_CHECK_INTERVAL)))
        });
        while look.as_mut().poll(task).is_ready() {
            let is_gone = match this.client.state() {
                PeerState::Open => false,
                PeerState::HalfClosed => since.elapsed() >= timeouts::HALF_CLOSED,
                PeerState::Closed => true,
            };
            if is_gone {
                return Poll::Ready(Some(Err("the client has left".into())));
            }
            look.as_mut().reset(Instant::now() + timeouts::CLIENT_CHECK_INTERVAL);
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
