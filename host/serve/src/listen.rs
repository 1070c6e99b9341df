//! The listeners: their addresses, how they accept connections, and how they stop.

use super::access_log::log_access;
use super::client_socket::ClientSocket;
use super::connections::{ConnectionSlot, Connections};
use super::descriptors::Descriptors;
use super::log_limit::LogLimit;
use super::request_checks::refusal;
use super::service::Service;
use super::session::{ClientSession, Respond};
use super::signals::Stop;
use super::timeouts;
use anyhow::Context;
use futures_util::FutureExt;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use tokio::net::{TcpListener, TcpSocket, lookup_host};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// The maximum number of connections that wait in the kernel until the service accepts them; the system may allow fewer
/// (`net.core.somaxconn`). When the queue is full, the kernel drops the last packet of a client's handshake; after a
/// minute it resets that connection, although the client has sent its request.
const BACKLOG: u32 = 4096;

/// Listens on an address: the first of its host name's addresses that is free.
pub async fn bind(address: &str) -> anyhow::Result<TcpListener> {
    let cannot = || format!("cannot listen on {address}");
    let mut result = Err(io::Error::new(io::ErrorKind::InvalidInput, "not an address"));
    for address in lookup_host(address).await.with_context(cannot)? {
        result = bind_to(address);
        if result.is_ok() {
            break;
        }
    }
    result.with_context(cannot)
}

fn bind_to(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Prints the address of a listener, which shows the port that port 0 selected. A slow reader does not delay the service.
pub fn print_address(what: &str, listener: &TcpListener) -> anyhow::Result<()> {
    let line = format!("{what} {}\n", listener.local_addr()?);
    let (tell, told) = channel();
    let write = move || {
        let mut output = io::stdout().lock();
        let written = output.write_all(line.as_bytes()).and_then(|()| output.flush());
        // The service must not wait for the reader any longer.
        let _ = tell.send(written);
    };
    std::thread::Builder::new().name("image-cache-stdout".into()).spawn(write)?;
    match told.recv_timeout(timeouts::LISTENING_LINE) {
        Ok(written) => written.context("cannot write to standard output"),
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
            tracing::warn!("standard output has no reader; the listening address is not printed");
            Ok(())
        }
    }
}

/// A socket that accepts connections, and the limits of these connections.
pub struct Listener {
    pub service: Arc<Service>,
    /// Its name, in the log.
    pub name: &'static str,
    pub socket: TcpListener,
    pub acceptor: Option<TlsAcceptor>,
    pub connections: Arc<Connections>,
    pub descriptors: Arc<Descriptors>,
    pub log: Arc<LogLimit>,
}

impl Listener {
    /// Serves connections until the stop, and then finishes the responses in progress within `--stop-within`.
    pub async fn serve(self, respond: Respond, mut stop: Stop) {
        let limits = self.service.options.limits.clone();
        let respond = self.checked(respond);
        let mut running = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.accept() => accepted,
                () = stop.wait() => break,
            };
            while running.try_join_next().is_some() {}
            if let Some((socket, slot)) = accepted {
                let session = ClientSession {
                    acceptor: self.acceptor.clone(),
                    limits: limits.clone(),
                    stop: stop.clone(),
                    log: Arc::clone(&self.log),
                    slot,
                    respond: Arc::clone(&respond),
                };
                running.spawn(session.serve(socket));
            }
        }
        drop(self.socket);
        tokio::select! {
            () = async { while running.join_next().await.is_some() {} } => {}
            () = tokio::time::sleep(limits.stop_within) => {
                tracing::warn!("responses that did not end in time are interrupted");
            }
            () = stop.wait_for_now() => {}
        }
        let _ = tokio::time::timeout(timeouts::SHUTDOWN_STEP, running.shutdown()).await;
    }

    /// Responds to well-formed requests, refuses others, and logs all.
    fn checked(&self, respond: Respond) -> Respond {
        let (service, name) = (Arc::clone(&self.service), self.name);
        Arc::new(move |request| {
            let (service, respond) = (Arc::clone(&service), Arc::clone(&respond));
            let answer = async move {
                let respond = async |request| match refusal(&request, &service.refusals) {
                    Some(refusal) => refusal,
                    None => respond(request).await,
                };
                log_access(&service, name, request, respond).await
            };
            answer.boxed()
        })
    }

    /// The next connection, when there is a slot for it.
    async fn accept(&self) -> Option<(ClientSocket, ConnectionSlot)> {
        match self.socket.accept().await {
            Ok((stream, _)) => {
                let _ = stream.set_nodelay(true);
                let socket = ClientSocket::new(stream);
                let has_room = || self.descriptors.has_room();
                let slot = self.connections.acquire(&socket, has_room).await;
                Some((socket, slot))
            }
            Err(error) => {
                if self.log.allow("accept") {
                    tracing::warn!(%error, "cannot accept a connection; retrying");
                }
                // The usual cause is too many open files: an idle connection is closed.
                self.connections.close_one();
                tokio::time::sleep(timeouts::ACCEPT_PAUSE).await;
                None
            }
        }
    }
}
