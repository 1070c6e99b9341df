//! The listeners: addresses, connections and their limits, and how they end.

use super::body::BodyError;
use super::limits::{Limits, Patient};
use super::signals::Stop;
use anyhow::Context;
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use std::convert::Infallible;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

pub async fn bind(address: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}

/// Prints where a listener is to be found: port 0 took any.
pub fn say(what: &str, listener: &TcpListener) -> anyhow::Result<()> {
    let address = listener.local_addr()?;
    writeln!(std::io::stdout(), "{what} {address}").context("cannot write to standard output")
}

/// Where requests come from, and what may come.
pub struct Listener {
    pub socket: TcpListener,
    pub acceptor: Option<TlsAcceptor>,
    pub limits: Limits,
}

impl Listener {
    /// Has requests answered until the stop, and then finishes what is being answered, for as long as that may
    /// take.
    pub async fn serve<A, F, B>(self, answer: A, mut stop: Stop)
    where
        A: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: http_body::Body<Data = Bytes, Error = BodyError> + Send + 'static,
    {
        let graceful = GracefulShutdown::new();
        let free = Arc::new(Semaphore::new(self.limits.max_connections as usize));
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.accept(&free) => accepted,
                () = stop.wait() => break,
            };
            while connections.try_join_next().is_some() {}
            if let Some((stream, permit)) = accepted {
                let connection = Connection {
                    acceptor: self.acceptor.clone(),
                    limits: self.limits.clone(),
                    watcher: graceful.watcher(),
                    _permit: permit,
                };
                connections.spawn(connection.begin(stream, answer.clone()));
            }
        }
        drop(self.socket);
        tokio::select! {
            () = graceful.shutdown() => {}
            () = tokio::time::sleep(self.limits.stop_within) => {
                tracing::warn!("answers that did not end in time are broken off");
            }
            () = stop.wait_for_now() => {}
        }
        connections.shutdown().await;
    }

    /// The next connection, once there may be one more.
    async fn accept(&self, free: &Arc<Semaphore>) -> Option<(TcpStream, OwnedSemaphorePermit)> {
        // Nobody closes the semaphore.
        let permit = Arc::clone(free).acquire_owned().await.ok()?;
        match self.socket.accept().await {
            Ok((stream, _)) => Some((stream, permit)),
            Err(error) => {
                // Too many open files, mostly: it passes.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                None
            }
        }
    }
}

struct Connection {
    acceptor: Option<TlsAcceptor>,
    limits: Limits,
    watcher: Watcher,
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    async fn begin<A, F, B>(mut self, stream: TcpStream, answer: A)
    where
        A: Fn(Request<Incoming>) -> F + Send + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: http_body::Body<Data = Bytes, Error = BodyError> + Send + 'static,
    {
        let _ = stream.set_nodelay(true);
        let stream = Patient::new(stream, self.limits.body_timeout);
        let Some(acceptor) = self.acceptor.take() else { return self.go_on(stream, answer).await };
        match tokio::time::timeout(self.limits.idle_timeout, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => self.go_on(stream, answer).await,
            Ok(Err(error)) => tracing::debug!(%error, "no TLS with a client"),
            Err(_) => tracing::debug!("a client did not finish its greeting"),
        }
    }

    async fn go_on<A, F, B>(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        answer: A,
    ) where
        A: Fn(Request<Incoming>) -> F + Send + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: http_body::Body<Data = Bytes, Error = BodyError> + Send + 'static,
    {
        let answer = service_fn(move |request| {
            // In memory of its own, which an idle connection does not have.
            let answer = Box::pin(answer(request));
            async move { Ok::<_, Infallible>(answer.await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.idle_timeout)
            .max_buf_size(self.limits.max_head)
            .serve_connection(TokioIo::new(stream), answer);
        if let Err(error) = self.watcher.watch(connection).await {
            tracing::debug!(%error, "a connection broke off");
        }
    }
}
