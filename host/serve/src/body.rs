//! The bodies of responses, and of requests to the upstream.

use bytes::Bytes;
use futures_util::stream::{self, Stream, TryStreamExt};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use std::error::Error;
use std::io;
use std::pin::Pin;
use std::time::Duration;

/// Why a body ended before its end.
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

/// The bytes of an image, as they arrive.
pub type ByteStream = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// These chunks; an error breaks the connection off.
pub fn streaming(chunks: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Body {
    StreamBody::new(chunks.map_ok(Frame::data).map_err(Into::into)).boxed_unsync()
}

/// Reads a body to its end; none of it is kept.
pub async fn drain(mut body: Body) -> Result<(), BodyError> {
    while let Some(frame) = body.frame().await {
        frame?;
    }
    Ok(())
}

/// The bytes of an upstream's response; an error after this time without a byte.
pub fn chunks(
    body: Incoming,
    timeout: Duration,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    stream::try_unfold(body, move |mut body| async move {
        loop {
            let Ok(frame) = tokio::time::timeout(timeout, body.frame()).await else {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the upstream sends no more"));
            };
            match frame.transpose().map_err(broken)? {
                None => return Ok(None),
                Some(frame) => match frame.into_data() {
                    Ok(bytes) => return Ok(Some((bytes, body))),
                    // Trailers: nothing of the image.
                    Err(_) => continue,
                },
            }
        }
    })
}

fn broken(error: hyper::Error) -> io::Error {
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    let words = format!("the upstream's answer broke off: {error}{cause}");
    io::Error::new(io::ErrorKind::ConnectionAborted, words)
}
