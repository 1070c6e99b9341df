//! A connection's stream and bodies that wait no longer than they may.

use super::body::BodyError;
use super::connections::Connection;
use super::waits;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

/// How long something has been waited for.
#[derive(Debug)]
struct Waiting {
    patience: Duration,
    since: Option<Pin<Box<Sleep>>>,
}

impl Waiting {
    fn new(patience: Duration) -> Waiting {
        Waiting { patience, since: None }
    }

    /// What came, if it came; ready with nothing where it did not come in time.
    fn judge<T>(&mut self, cx: &mut Context<'_>, came: Poll<T>) -> Poll<Option<T>> {
        if let Poll::Ready(came) = came {
            self.since = None;
            return Poll::Ready(Some(came));
        }
        let patience = self.patience;
        let sleep = self.since.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(sleep.as_mut().poll(cx));
        Poll::Ready(None)
    }
}

/// A connection whose other end must take what is written to it, and that does not close on who is still sending.
#[derive(Debug)]
pub struct Patient<S> {
    stream: S,
    waiting: Waiting,
    connection: Arc<Connection>,
    closing: Option<Lingering>,
}

impl<S> Patient<S> {
    pub fn new(stream: S, patience: Duration, connection: Arc<Connection>) -> Self {
        Patient { stream, waiting: Waiting::new(patience), connection, closing: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.connection.receives();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> Patient<S> {
    fn taken<T>(&mut self, cx: &mut Context<'_>, came: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let late = || io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing any more");
        self.waiting.judge(cx, came).map(|came| came.unwrap_or_else(|| Err(late())))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.taken(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.taken(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.taken(cx, flushed)
    }

    /// A socket that is closed while unread bytes lie in it is reset, and the client loses an answer that it has not
    /// read yet. So what it still sends is read first.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.closing.is_none() {
            let closed = Pin::new(&mut this.stream).poll_shutdown(cx);
            ready!(this.taken(cx, closed))?;
        }
        if !this.connection.is_sending() {
            return Poll::Ready(Ok(()));
        }
        let closing = this.closing.get_or_insert_with(Lingering::new);
        closing.poll_end(cx, &mut this.stream).map(Ok)
    }
}

/// Reads what a client still sends, within bounds.
#[derive(Debug)]
struct Lingering {
    left: u64,
    until: Instant,
    sleep: Pin<Box<Sleep>>,
}

impl Lingering {
    fn new() -> Lingering {
        let until = Instant::now() + waits::LINGER;
        let sleep = Box::pin(sleep_until(until.min(Instant::now() + waits::LINGER_SILENT)));
        Lingering { left: waits::LINGER_BYTES, until, sleep }
    }

    fn poll_end(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut (impl AsyncRead + Unpin),
    ) -> Poll<()> {
        let mut bytes = [0; 16 * 1024];
        // Now and then others have their turn.
        for _ in 0..64 {
            let mut buf = ReadBuf::new(&mut bytes);
            match Pin::new(&mut *stream).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {
                    self.left = self.left.saturating_sub(buf.filled().len() as u64);
                    if self.left == 0 || Instant::now() >= self.until {
                        return Poll::Ready(());
                    }
                    let silent = Instant::now() + waits::LINGER_SILENT;
                    self.sleep.as_mut().reset(self.until.min(silent));
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return self.sleep.as_mut().poll(cx),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// The sender of a body has sent nothing for as long as it may.
#[derive(Debug, thiserror::Error)]
#[error("nothing came for too long")]
pub struct SenderStalled;

/// A body whose sender must go on sending.
#[derive(Debug)]
pub struct PatientBody<B> {
    body: B,
    waiting: Waiting,
    /// The client's connection, where it is a client's.
    connection: Option<Arc<Connection>>,
}

impl<B> PatientBody<B> {
    /// Of the upstream's.
    pub fn new(body: B, patience: Duration) -> Self {
        PatientBody { body, waiting: Waiting::new(patience), connection: None }
    }

    /// Of a client's, whose connection is told when it has ended.
    pub fn of_client(body: B, patience: Duration, connection: Arc<Connection>) -> Self {
        PatientBody { connection: Some(connection), ..PatientBody::new(body, patience) }
    }
}

impl<B> Body for PatientBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BodyError>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let came = Pin::new(&mut self.body).poll_frame(cx);
        let came = ready!(self.waiting.judge(cx, came));
        if self.body.is_end_stream() || matches!(came, Some(None)) {
            self.connection.iter().for_each(|connection| connection.end_body());
        }
        Poll::Ready(match came {
            Some(frame) => frame.map(|frame| frame.map_err(Into::into)),
            None => Some(Err(SenderStalled.into())),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
