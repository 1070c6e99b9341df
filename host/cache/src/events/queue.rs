//! The queue of one subscription: bounded, with a count of the events that did not fit.

use super::event::CacheEvent;
use image_cache_store::sync::lock;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

/// The next event of a queue.
#[derive(Debug)]
pub(super) enum Next {
    Event(CacheEvent),
    /// There is none yet.
    Empty,
    /// There will be none: the cache was closed.
    Closed,
}

/// The events that one subscriber has not received yet.
#[derive(Debug)]
pub(super) struct EventQueue {
    state: Mutex<QueueState>,
    arrived: Condvar,
    capacity: usize,
}

#[derive(Debug, Default)]
struct QueueState {
    events: VecDeque<CacheEvent>,
    /// Events that were dropped before the first one in the queue.
    lost: u64,
    is_closed: bool,
    /// The waiting task; threads wait at the condition variable.
    waker: Option<Waker>,
}

impl EventQueue {
    /// A queue of at most `capacity` events, at least one.
    pub fn new(capacity: usize) -> Arc<EventQueue> {
        let (state, arrived) = (Mutex::default(), Condvar::new());
        Arc::new(EventQueue { state, arrived, capacity: capacity.max(1) })
    }

    /// Adds an event. If the queue is full, the oldest one is dropped and counted: the last events say most about the cache.
    pub fn push(&self, event: CacheEvent) {
        let mut state = lock(&self.state);
        if state.events.len() >= self.capacity {
            state.events.pop_front();
            state.lost += 1;
        }
        state.events.push_back(event);
        self.wake(state);
    }

    /// Ends the queue after its last event.
    pub fn close(&self) {
        let mut state = lock(&self.state);
        state.is_closed = true;
        self.wake(state);
    }

    /// The next event, without waiting.
    pub fn take(&self) -> Next {
        lock(&self.state).take()
    }

    /// The next event; waits for it, at most until the deadline.
    pub fn wait(&self, deadline: Option<Instant>) -> Next {
        let mut state = lock(&self.state);
        loop {
            let next = state.take();
            if !matches!(next, Next::Empty) {
                return next;
            }
            state = match deadline {
                None => self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Next::Empty;
                    }
                    let waited = self.arrived.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// The next event, or `None` after the last one; otherwise the task is woken.
    pub fn poll(&self, context: &mut Context<'_>) -> Poll<Option<CacheEvent>> {
        let mut state = lock(&self.state);
        match state.take() {
            Next::Event(event) => Poll::Ready(Some(event)),
            Next::Closed => Poll::Ready(None),
            Next::Empty => {
                let replaced = state.waker.replace(context.waker().clone());
                drop(state);
                // Outside of the lock, because a waker may run any code.
                drop(replaced);
                Poll::Pending
            }
        }
    }

    fn wake(&self, mut state: MutexGuard<'_, QueueState>) {
        let waker = state.waker.take();
        drop(state);
        self.arrived.notify_one();
        waker.into_iter().for_each(Waker::wake);
    }
}

impl QueueState {
    fn take(&mut self) -> Next {
        if self.lost > 0 {
            return Next::Event(CacheEvent::Lost { events: std::mem::take(&mut self.lost) });
        }
        match self.events.pop_front() {
            Some(event) => Next::Event(event),
            None if self.is_closed => Next::Closed,
            None => Next::Empty,
        }
    }
}
