//! A client's stream: each write has a timeout, and the stream closes without a reset.

use super::client_socket::ClientSocket;
use super::connections::Connection;
use super::idle_timer::IdleTimer;
use super::lingering_close::LingeringClose;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream whose peer must keep reading. On shutdown it reads what the peer is still sending.
#[derive(Debug)]
pub struct TimeoutStream {
    socket: ClientSocket,
    timer: IdleTimer,
    connection: Arc<Connection>,
    closing: Option<LingeringClose>,
}

impl TimeoutStream {
    pub fn new(
        socket: ClientSocket,
        timeout: Duration,
        connection: Arc<Connection>,
    ) -> TimeoutStream {
        TimeoutStream { socket, timer: IdleTimer::new(timeout), connection, closing: None }
    }

    fn limited<T>(
        &mut self,
        cx: &mut Context<'_>,
        done: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let late = || io::Error::new(io::ErrorKind::TimedOut, "the client has stopped reading");
        self.timer.poll_limited(cx, done).map(|done| done.unwrap_or_else(|| Err(late())))
    }
}

impl AsyncRead for TimeoutStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = self.socket.poll_read(cx, buf);
        if buf.filled().len() > before {
            self.connection.note_received();
        }
        read
    }
}

impl AsyncWrite for TimeoutStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = self.socket.poll_write(cx, |stream| stream.try_write(buf));
        self.limited(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.socket.poll_write(cx, |stream| stream.try_write_vectored(bufs));
        self.limited(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.limited(cx, Poll::Ready(Ok(())))
    }

    /// Closing a socket with unread bytes resets the connection, and the client loses a response that it has not
    /// read yet. So this first reads what the client is still sending.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.closing.is_none() {
            let closed = this.socket.shut_down();
            ready!(this.limited(cx, Poll::Ready(closed)))?;
        }
        if this.closing.is_none()
            && !this.connection.is_sending()
            && !this.connection.has_unread_bytes()
        {
            return Poll::Ready(Ok(()));
        }
        let closing = this.closing.get_or_insert_with(LingeringClose::new);
        closing.poll_end(cx, &this.socket).map(Ok)
    }
}
