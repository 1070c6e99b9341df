//! What happens in the cache, for programs that want to know; see [`ImageCache::subscribe`](crate::ImageCache::subscribe).

mod event;
mod queue;
mod subscription;

pub use event::CacheEvent;
pub use subscription::Subscription;

use image_cache_store::sync::lock;
use queue::EventQueue;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

/// The subscriptions of a cache.
#[derive(Debug, Default)]
pub(crate) struct EventHub {
    queues: Mutex<Vec<Weak<EventQueue>>>,
    /// Whether there may be a subscription; without one, an event costs this check.
    has_subscribers: AtomicBool,
}

impl EventHub {
    /// Starts a subscription that keeps at most `capacity` events that were not received.
    pub fn subscribe(&self, capacity: usize) -> Subscription {
        let queue = EventQueue::new(capacity);
        let mut queues = lock(&self.queues);
        queues.push(Arc::downgrade(&queue));
        self.has_subscribers.store(true, Ordering::Relaxed);
        Subscription::new(queue)
    }

    /// Whether an event would reach anybody.
    pub fn has_subscribers(&self) -> bool {
        self.has_subscribers.load(Ordering::Relaxed)
    }

    /// Passes an event, which is made only if somebody wants it, to all subscriptions. Never waits for a subscriber. Do not call it
    /// with a lock held that a waker could take.
    pub fn publish(&self, event: impl FnOnce() -> CacheEvent) {
        if !self.has_subscribers() {
            return;
        }
        let queues = self.live_queues();
        if let Some((last, others)) = queues.split_last() {
            let event = event();
            others.iter().for_each(|queue| queue.push(event.clone()));
            last.push(event);
        }
    }

    /// Ends all subscriptions, after the events that they have not received yet.
    pub fn close(&self) {
        self.live_queues().iter().for_each(|queue| queue.close());
    }

    /// The queues of the subscriptions that were not dropped; forgets the others.
    fn live_queues(&self) -> Vec<Arc<EventQueue>> {
        let mut queues = lock(&self.queues);
        let live: Vec<_> = queues.iter().filter_map(Weak::upgrade).collect();
        queues.retain(|queue| queue.strong_count() > 0);
        self.has_subscribers.store(!queues.is_empty(), Ordering::Relaxed);
        live
    }
}
