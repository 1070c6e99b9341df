//! Whether the upstream reads a request that is being sent.

use crate::body::{self, Body};
use hyper::Request;
use hyper::body::Body as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The progress of a request that is being sent: since when the service waits for the upstream; `None` while it waits for
/// the client, which has a timeout of its own.
pub struct SendProgress(Arc<Mutex<Option<Instant>>>);

impl SendProgress {
    /// Watches how the upstream reads a request's body.
    pub fn watch(request: Request<Body>) -> (SendProgress, Request<Body>) {
        let since = Arc::new(Mutex::new(Some(Instant::now())));
        let progress = SendProgress(Arc::clone(&since));
        let watched = request.map(|body| {
            body::polled_by(body, move |body, cx| {
                let frame = Pin::new(body).poll_frame(cx);
                let waits_for_upstream = frame.is_ready().then(Instant::now);
                *since.lock().unwrap_or_else(PoisonError::into_inner) = waits_for_upstream;
                frame
            })
        });
        (progress, watched)
    }

    /// Returns when the upstream has neither read a byte nor responded for this long.
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
