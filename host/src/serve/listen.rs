//! The listeners: addresses, connections and their limits, and how they end.

use super::service::Service;
use super::signals::Stop;
use anyhow::Context;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use std::convert::Infallible;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// A client has so long to send the head of a request, also of the next one on its connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// A request's head, and what is read at once, have at most so many bytes.
const MAX_HEAD: usize = 64 * 1024;

pub async fn bind(address: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}

/// Prints where a listener is to be found: port 0 took any.
pub fn say(what: &str, listener: &TcpListener) -> anyhow::Result<()> {
    let address = listener.local_addr()?;
    writeln!(std::io::stdout(), "{what} {address}").context("cannot write to standard output")
}

/// Serves clients until the stop, and then finishes what they are being served.
pub async fn serve(
    service: Arc<Service>,
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    mut stop: Stop,
) {
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.wait() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let (service, acceptor) = (Arc::clone(&service), acceptor.clone());
                tokio::spawn(begin(service, stream, acceptor, graceful.watcher()));
            }
            Err(error) => {
                // Too many open files, mostly: it passes.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    graceful.shutdown().await;
}

async fn begin(
    service: Arc<Service>,
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    watcher: Watcher,
) {
    let _ = stream.set_nodelay(true);
    match acceptor {
        None => connection(service, stream, watcher).await,
        Some(acceptor) => match acceptor.accept(stream).await {
            Ok(stream) => connection(service, stream, watcher).await,
            Err(error) => tracing::debug!(%error, "no TLS with a client"),
        },
    }
}

async fn connection(
    service: Arc<Service>,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    watcher: Watcher,
) {
    let answer = service_fn(move |request| {
        let service = Arc::clone(&service);
        async move { Ok::<_, Infallible>(service.answer(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), answer);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection broke off");
    }
}
