//! What a client may take: connections, bytes of a head, time.

use super::body::BodyError;
use super::options::time;
use bytes::Bytes;
use bytesize::ByteSize;
use clap::Args;
use http_body::{Body, Frame, SizeHint};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// hyper reads a head into no less.
const LEAST_HEAD: u64 = 8 * 1024;

/// Above this a head is an attack.
const MOST_HEAD: u64 = 16 << 20;

/// What a client may take.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Limits")]
pub struct Limits {
    /// Connections of clients at once; further ones wait until one ends
    #[arg(long, value_name = "N", env = "IMAGE_CACHE_MAX_CONNECTIONS", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_connections: u32,
    /// Bytes of a request's head; a larger one is answered with 431
    #[arg(long, value_name = "SIZE", env = "IMAGE_CACHE_MAX_HEAD", default_value = "64 KiB", value_parser = head)]
    pub max_head: usize,
    /// A client has so long to send the head of a request, also of the next one on its connection
    #[arg(long, value_name = "TIME", env = "IMAGE_CACHE_IDLE_TIMEOUT", default_value = "60s", value_parser = patience)]
    pub idle_timeout: Duration,
    /// A client that takes or sends no byte of a body for so long is cut off
    #[arg(long, value_name = "TIME", env = "IMAGE_CACHE_BODY_TIMEOUT", default_value = "60s", value_parser = patience)]
    pub body_timeout: Duration,
    /// When the service is told to stop, answers have so long to finish
    #[arg(long, value_name = "TIME", env = "IMAGE_CACHE_STOP_WITHIN", default_value = "5m", value_parser = time)]
    pub stop_within: Duration,
}

fn head(text: &str) -> Result<usize, String> {
    let size = text.parse::<ByteSize>().ok().map(|size| size.as_u64());
    let size = size.filter(|size| (LEAST_HEAD..=MOST_HEAD).contains(size));
    size.and_then(|size| usize::try_from(size).ok())
        .ok_or_else(|| "accepted: 8 KiB to 16 MiB, in bytes or with a unit".to_owned())
}

/// A time that is not 0: nobody could keep that.
fn patience(text: &str) -> Result<Duration, String> {
    time(text).and_then(|time| match time {
        Duration::ZERO => Err("accepted: more than 0 seconds".to_owned()),
        time => Ok(time),
    })
}

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

/// A connection whose other end must take what is written to it.
#[derive(Debug)]
pub struct Patient<S> {
    stream: S,
    waiting: Waiting,
}

impl<S> Patient<S> {
    pub fn new(stream: S, patience: Duration) -> Self {
        Patient { stream, waiting: Waiting::new(patience) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> Patient<S> {
    fn taken<T>(&mut self, cx: &mut Context<'_>, came: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let late = || io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing any more");
        self.waiting.judge(cx, came).map(|came| came.unwrap_or_else(|| Err(late())))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
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

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.taken(cx, closed)
    }
}

/// A body whose sender must go on sending.
#[derive(Debug)]
pub struct PatientBody<B> {
    body: B,
    waiting: Waiting,
}

impl<B> PatientBody<B> {
    pub fn new(body: B, patience: Duration) -> Self {
        PatientBody { body, waiting: Waiting::new(patience) }
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
        self.waiting.judge(cx, came).map(|came| match came {
            Some(frame) => frame.map(|frame| frame.map_err(Into::into)),
            None => Some(Err("nothing came for too long".into())),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
