//! Whether the upstream takes a request that is being sent.

use crate::body::{Body, BodyError};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::Request;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

/// Since when the service waits for the upstream; nothing while it waits for the client, which has a timeout of its own.
type Since = Arc<Mutex<Option<Instant>>>;

/// The progress of a request that is being sent.
pub struct SendProgress(Since);

impl SendProgress {
    /// Watches how the upstream takes a request's body.
    pub fn watch(request: Request<Body>) -> (SendProgress, Request<WatchedBody>) {
        let since: Since = Arc::new(Mutex::new(Some(Instant::now())));
        let theirs = Arc::clone(&since);
        (SendProgress(since), request.map(|body| WatchedBody { body, since: theirs }))
    }

    /// Returns when the upstream has neither taken a byte nor answered for so long.
    pub async fn stalled_for(&self, timeout: Duration) {
        loop {
            let since = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let until = since.unwrap_or_else(Instant::now).checked_add(timeout);
            match until {
                Some(until) if since.is_some() && until <= Instant::now() => return,
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        }
    }
}

/// A request's body that reports when it is read.
pub struct WatchedBody {
    body: Body,
    since: Since,
}

impl http_body::Body for WatchedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        let waits_for_upstream = frame.is_ready().then(Instant::now);
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = waits_for_upstream;
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
