//! A client's stream: each write has a timeout, and the stream closes without a reset.

use super::connections::Connection;
use super::idle_timer::IdleTimer;
use super::lingering_close::LingeringClose;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream whose peer must keep reading what is written. On shutdown it reads what the peer is still sending.
#[derive(Debug)]
pub struct TimeoutStream<S> {
    stream: S,
    timer: IdleTimer,
    connection: Arc<Connection>,
    closing: Option<LingeringClose>,
}

impl<S> TimeoutStream<S> {
    pub fn new(stream: S, timeout: Duration, connection: Arc<Connection>) -> Self {
        TimeoutStream { stream, timer: IdleTimer::new(timeout), connection, closing: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TimeoutStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.connection.note_received();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> TimeoutStream<S> {
    fn limited<T>(
        &mut self,
        cx: &mut Context<'_>,
        done: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let late = || io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing any more");
        self.timer.poll_limited(cx, done).map(|done| done.unwrap_or_else(|| Err(late())))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TimeoutStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.limited(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.limited(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.limited(cx, flushed)
    }

    /// Closing a socket that holds unread bytes resets the connection, and the client loses a response that it has not
    /// read yet. So this reads what the client is still sending first.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.closing.is_none() {
            let closed = Pin::new(&mut this.stream).poll_shutdown(cx);
            ready!(this.limited(cx, closed))?;
        }
        if this.closing.is_none()
            && !this.connection.is_sending()
            && !this.connection.has_unread_bytes()
        {
            return Poll::Ready(Ok(()));
        }
        let closing = this.closing.get_or_insert_with(LingeringClose::new);
        closing.poll_end(cx, &mut this.stream).map(Ok)
    }
}
