//! The receiver of a cache's events.

use super::event::CacheEvent;
use super::queue::{EventQueue, Next};
use std::sync::Arc;
use std::sync::mpsc::{RecvError, RecvTimeoutError, TryRecvError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// Receives the events of a cache; see [`ImageCache::subscribe`](crate::ImageCache::subscribe).
///
/// It does not keep the cache open: when the cache is closed, it returns the events that are left, and then an error. A drop ends
/// the subscription.
#[derive(Debug)]
pub struct Subscription(Arc<EventQueue>);

impl Subscription {
    pub(super) fn new(queue: Arc<EventQueue>) -> Subscription {
        Subscription(queue)
    }

    /// The next event; waits for it.
    ///
    /// # Errors
    /// If the cache was closed, and all events were received.
    pub fn recv(&mut self) -> Result<CacheEvent, RecvError> {
        match self.0.wait(None) {
            Next::Event(event) => Ok(event),
            Next::Empty | Next::Closed => Err(RecvError),
        }
    }

    /// The next event, if there is one.
    ///
    /// # Errors
    /// If there is none, now or ever.
    pub fn try_recv(&mut self) -> Result<CacheEvent, TryRecvError> {
        match self.0.take() {
            Next::Event(event) => Ok(event),
            Next::Empty => Err(TryRecvError::Empty),
            Next::Closed => Err(TryRecvError::Disconnected),
        }
    }

    /// The next event; waits for it at most this long.
    ///
    /// # Errors
    /// If there is none within this time, or ever.
    pub fn recv_timeout(&mut self, at_most: Duration) -> Result<CacheEvent, RecvTimeoutError> {
        match self.0.wait(Instant::now().checked_add(at_most)) {
            Next::Event(event) => Ok(event),
            Next::Empty => Err(RecvTimeoutError::Timeout),
            Next::Closed => Err(RecvTimeoutError::Disconnected),
        }
    }

    /// The next event, for a task of any runtime; `None` if the cache was closed, and all events were received. If the future is
    /// dropped before its end, no event is lost.
    pub async fn recv_async(&mut self) -> Option<CacheEvent> {
        std::future::poll_fn(|context| self.poll_recv(context)).await
    }

    /// The same for a future or stream of the caller. The task that polled last is woken.
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<CacheEvent>> {
        self.0.poll(context)
    }
}
