//! The body of a response on its way to the client, which may leave meanwhile.

use super::active_request::ActiveRequest;
use super::body::BodyError;
use super::client_socket::{ClientSocket, PeerState};
use super::timeouts;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::time::{Instant, Sleep, sleep};

/// The body of a response. When hyper drops it, the request has been served.
pub struct ResponseBody<B> {
    body: B,
    client: ClientSocket,
    /// Since when there is nothing to send, and when the client is checked next.
    check: Option<(Instant, Pin<Box<Sleep>>)>,
    _active: ActiveRequest,
}

impl<B> ResponseBody<B> {
    pub fn new(body: B, client: ClientSocket, active: ActiveRequest) -> ResponseBody<B> {
        ResponseBody { body, client, check: None, _active: active }
    }
}

impl<B> Body for ResponseBody<B>
where
    B: Body<Data = Bytes, Error = BodyError> + Unpin,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            this.check = None;
            return Poll::Ready(frame);
        }
        let (since, check) = this.check.get_or_insert_with(|| {
            (Instant::now(), Box::pin(sleep(timeouts::CLIENT_CHECK_INTERVAL)))
        });
        while check.as_mut().poll(cx).is_ready() {
            let has_left = match this.client.state() {
                PeerState::Open => false,
                PeerState::HalfClosed => since.elapsed() >= timeouts::HALF_CLOSED,
                PeerState::Closed => true,
            };
            if has_left {
                return Poll::Ready(Some(Err("the client has left".into())));
            }
            check.as_mut().reset(Instant::now() + timeouts::CLIENT_CHECK_INTERVAL);
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
