//! A body with a timeout: it fails if its sender sends nothing for too long.

use super::body::{self, Body, BodyError};
use super::connections::Connection;
use super::idle_timer::IdleTimer;
use bytes::Bytes;
use futures_util::stream::{Stream, TryStreamExt};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

/// The sender of a body has sent nothing for too long.
#[derive(Debug, thiserror::Error)]
#[error("no bytes arrived within the timeout")]
pub struct SenderTimeout;

/// A body that fails after this time without a byte. If it is a client's, its connection learns when the body
/// has ended.
pub fn with_timeout(
    body: Incoming,
    timeout: Duration,
    connection: Option<Arc<Connection>>,
) -> Body {
    // An empty body needs no timeout, and hyper must see that it is empty.
    if body.is_end_stream() {
        return body::empty();
    }
    let mut timer = IdleTimer::new(timeout);
    body::polled_by(body, move |body, cx| {
        let polled = Pin::new(&mut *body).poll_frame(cx);
        let frame = ready!(timer.poll_limited(cx, polled));
        if body.is_end_stream() || matches!(frame, Some(None)) {
            connection.iter().for_each(|connection| connection.end_body());
        }
        Poll::Ready(match frame {
            Some(frame) => frame.map(|frame| frame.map_err(Into::into)),
            None => Some(Err(SenderTimeout.into())),
        })
    })
}

/// The bytes of an upstream's response, without trailers; an error after this time without a byte.
pub fn chunks(
    body: Incoming,
    timeout: Duration,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    with_timeout(body, timeout, None).into_data_stream().map_err(broken)
}

fn broken(error: BodyError) -> io::Error {
    if error.is::<SenderTimeout>() {
        return io::Error::new(io::ErrorKind::TimedOut, "the upstream sends no more data");
    }
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    let words = format!("the upstream's response was interrupted: {error}{cause}");
    io::Error::new(io::ErrorKind::ConnectionAborted, words)
}
