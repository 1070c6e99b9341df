//! A body with a timeout: it fails when its sender sends nothing for too long.

use super::body::{self, Body, BodyError};
use super::connections::Connection;
use super::idle_timer::IdleTimer;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Incoming};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// The body of an upstream's response as it arrives; it fails after so long without a byte.
pub fn with_timeout(body: Incoming, timeout: Duration) -> Body {
    match body.is_end_stream() {
        true => body::empty(),
        false => TimeoutBody::new(body, timeout).boxed_unsync(),
    }
}

/// The sender of a body has sent nothing for too long.
#[derive(Debug, thiserror::Error)]
#[error("nothing came for too long")]
pub struct SenderTimeout;

/// A body whose sender must keep sending.
#[derive(Debug)]
pub struct TimeoutBody<B> {
    body: B,
    timer: IdleTimer,
    /// The client's connection, if the body is a client's.
    connection: Option<Arc<Connection>>,
}

impl<B> TimeoutBody<B> {
    /// A body of the upstream.
    pub fn new(body: B, timeout: Duration) -> Self {
        TimeoutBody { body, timer: IdleTimer::new(timeout), connection: None }
    }

    /// A body of a client; its connection learns when the body has ended.
    pub fn of_client(body: B, timeout: Duration, connection: Arc<Connection>) -> Self {
        TimeoutBody { connection: Some(connection), ..TimeoutBody::new(body, timeout) }
    }
}

impl<B> HttpBody for TimeoutBody<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<BodyError>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        let frame = ready!(self.timer.poll_limited(cx, polled));
        if self.body.is_end_stream() || matches!(frame, Some(None)) {
            self.connection.iter().for_each(|connection| connection.end_body());
        }
        Poll::Ready(match frame {
            Some(frame) => frame.map(|frame| frame.map_err(Into::into)),
            None => Some(Err(SenderTimeout.into())),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
