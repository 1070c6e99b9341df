//! A request in progress. Meanwhile its connection is not idle, and the service checks whether the client is still connected.

use super::body::{self, Body, PolledFrame};
use super::client_socket::{ClientSocket, PeerState};
use super::connections::ConnectionSlot;
use super::timeout_body::with_timeout;
use super::timeouts;
use hyper::body::{Body as _, Incoming};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep};

/// A request in progress; it ends when this is dropped.
pub struct ActiveRequest {
    slot: Arc<ConnectionSlot>,
    client: ClientSocket,
    /// Since when there is nothing to send, and when the service next checks the client.
    check: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl ActiveRequest {
    pub fn new(slot: &Arc<ConnectionSlot>, client: &ClientSocket) -> ActiveRequest {
        ActiveRequest { slot: Arc::clone(slot), client: client.clone(), check: None }
    }

    /// Starts to serve the request; returns its body, with a timeout.
    pub fn begin(&self, body: Incoming, timeout: Duration) -> Body {
        let connection = &self.slot.connection;
        connection.begin_request(!body.is_end_stream());
        with_timeout(body, timeout, Some(Arc::clone(connection)))
    }

    /// The body of the response on its way to the client. hyper drops it when the request has been served.
    pub fn respond(mut self, body: Body) -> Body {
        body::polled_by(body, move |body, cx| self.poll_response(body, cx))
    }

    fn poll_response(&mut self, body: &mut Body, cx: &mut Context<'_>) -> PolledFrame {
        if let Poll::Ready(frame) = Pin::new(body).poll_frame(cx) {
            self.check = None;
            return Poll::Ready(frame);
        }
        let (since, check) = self.check.get_or_insert_with(|| {
            (Instant::now(), Box::pin(sleep(timeouts::CLIENT_CHECK_INTERVAL)))
        });
        while check.as_mut().poll(cx).is_ready() {
            let has_left = match self.client.state() {
                PeerState::Open => false,
                PeerState::HalfClosed => since.elapsed() >= timeouts::HALF_CLOSED,
                PeerState::Closed => true,
            };
            if has_left {
                return Poll::Ready(Some(Err("the client has disconnected".into())));
            }
            check.as_mut().reset(Instant::now() + timeouts::CLIENT_CHECK_INTERVAL);
        }
        Poll::Pending
    }
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.slot.end_request();
    }
}
