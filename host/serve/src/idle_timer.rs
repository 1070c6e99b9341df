//! A timer that runs only while an operation is pending.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Sleep, sleep};

/// Limits how long an operation may stay pending; each completed operation resets it.
#[derive(Debug)]
pub struct IdleTimer {
    timeout: Duration,
    running: Option<Pin<Box<Sleep>>>,
}

impl IdleTimer {
    pub fn new(timeout: Duration) -> IdleTimer {
        IdleTimer { timeout, running: None }
    }

    /// The result of the operation; `None` if it has been pending for too long.
    pub fn poll_limited<T>(&mut self, cx: &mut Context<'_>, result: Poll<T>) -> Poll<Option<T>> {
        if let Poll::Ready(result) = result {
            self.running = None;
            return Poll::Ready(Some(result));
        }
        let timeout = self.timeout;
        let sleep = self.running.get_or_insert_with(|| Box::pin(sleep(timeout)));
        ready!(sleep.as_mut().poll(cx));
        Poll::Ready(None)
    }
}
