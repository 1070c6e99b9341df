//! A client's socket with several users: one reads and writes, the others check its state.

use futures_util::FutureExt;
use socket2::SockRef;
use std::io;
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use tokio::io::{Interest, ReadBuf};
use tokio::net::TcpStream;

/// A socket; clones are the same socket.
#[derive(Debug, Clone)]
pub struct ClientSocket(Arc<TcpStream>);

/// What is known about the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerState {
    Open,
    /// The client has closed its sending half. If it has also closed the other half, this shows at the next write.
    HalfClosed,
    /// The client reads no more.
    Closed,
}

impl ClientSocket {
    pub fn new(stream: TcpStream) -> ClientSocket {
        ClientSocket(Arc::new(stream))
    }

    /// What is known about the client now.
    pub fn state(&self) -> PeerState {
        let interest = Interest::READABLE | Interest::WRITABLE | Interest::ERROR;
        match self.0.ready(interest).now_or_never() {
            Some(Ok(ready)) if ready.is_error() || ready.is_write_closed() => PeerState::Closed,
            Some(Ok(ready)) if ready.is_read_closed() => PeerState::HalfClosed,
            Some(Err(_)) => PeerState::Closed,
            _ => PeerState::Open,
        }
    }

    /// Reads what has arrived.
    pub fn poll_read(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.0.poll_read_ready(cx))?;
            match self.0.try_read_buf(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read.map(|_| ())),
            }
        }
    }

    /// Calls `write` when the socket accepts bytes.
    pub fn poll_write(
        &self,
        cx: &mut Context<'_>,
        mut write: impl FnMut(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_write_ready(cx))?;
            match write(&self.0) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }

    /// Tells the client that no more bytes follow.
    pub fn shut_down(&self) -> io::Result<()> {
        match SockRef::from(&*self.0).shutdown(Shutdown::Write) {
            Err(error) if error.kind() != io::ErrorKind::NotConnected => Err(error),
            _ => Ok(()),
        }
    }

    /// A handle that can check the socket but does not keep it open.
    pub fn probe(&self) -> SocketProbe {
        SocketProbe(Arc::downgrade(&self.0))
    }
}

/// Checks a socket without keeping it open.
#[derive(Debug)]
pub struct SocketProbe(Weak<TcpStream>);

impl SocketProbe {
    /// Whether bytes of the client have arrived that the service has not read yet.
    pub fn has_unread_bytes(&self) -> bool {
        let Some(socket) = self.0.upgrade() else { return false };
        SockRef::from(&*socket).peek(&mut [MaybeUninit::uninit()]).is_ok_and(|count| count > 0)
    }
}
