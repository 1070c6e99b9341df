//! The bodies of responses, and of requests to the upstream.

use bytes::Bytes;
use futures_util::stream::{Stream, TryStreamExt};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use std::error::Error;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Why a body ended early.
pub type BodyError = Box<dyn Error + Send + Sync>;

/// Any body.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// No bytes.
pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// These bytes.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// These chunks; an error closes the connection early.
pub fn streaming(chunks: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Body {
    StreamBody::new(chunks.map_ok(Frame::data).map_err(Into::into)).boxed_unsync()
}

/// Reads a body to its end and discards it.
pub async fn drain(mut body: Body) -> Result<(), BodyError> {
    while let Some(frame) = body.frame().await {
        frame?;
    }
    Ok(())
}

/// What a poll of a body returns.
pub type PolledFrame = Poll<Option<Result<Frame<Bytes>, BodyError>>>;

/// A body whose frames `poll` reads: it sees each frame, and can end the body with an error. It is dropped after the body.
pub fn polled_by<B>(
    body: B,
    poll: impl FnMut(&mut B, &mut Context<'_>) -> PolledFrame + Send + Unpin + 'static,
) -> Body
where
    B: HttpBody + Send + Unpin + 'static,
{
    PolledBody { body, poll }.boxed_unsync()
}

struct PolledBody<B, F> {
    body: B,
    poll: F,
}

impl<B, F> HttpBody for PolledBody<B, F>
where
    B: HttpBody + Unpin,
    F: FnMut(&mut B, &mut Context<'_>) -> PolledFrame + Unpin,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> PolledFrame {
        let this = &mut *self;
        (this.poll)(&mut this.body, cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
