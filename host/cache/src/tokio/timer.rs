//! A timeout without the timer of the runtime, which the embedder may not have enabled.

use futures_util::task::AtomicWaker;
use image_cache_store::process::PerProcess;
use image_cache_store::sync::lock;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// Fires once.
#[derive(Debug, Default)]
pub(super) struct Timer {
    fired: AtomicBool,
    waker: AtomicWaker,
}

/// The timers of this process that have not fired. One thread fires them all; it runs only while there are timers.
static CLOCK: PerProcess<Clock> = PerProcess::new();

#[derive(Default)]
struct Clock {
    set: Mutex<Set>,
    changed: Condvar,
}

#[derive(Default)]
struct Set {
    timers: Vec<(Instant, Weak<Timer>)>,
    ticks: bool,
}

impl Timer {
    pub fn after(time: Duration) -> io::Result<Arc<Timer>> {
        let timer = Arc::new(Timer::default());
        let clock = CLOCK.get();
        let mut set = lock(&clock.set);
        set.timers.push((Instant::now() + time, Arc::downgrade(&timer)));
        if !set.ticks {
            std::thread::Builder::new().name("image-cache-clock".into()).spawn(|| tick(clock))?;
            set.ticks = true;
        }
        drop(set);
        clock.changed.notify_one();
        Ok(timer)
    }

    pub fn has_fired(&self) -> bool {
        self.fired.load(Ordering::Acquire)
    }

    pub fn poll(&self, context: &mut Context<'_>) -> Poll<()> {
        self.waker.register(context.waker());
        if self.has_fired() { Poll::Ready(()) } else { Poll::Pending }
    }
}

fn tick(clock: &Clock) {
    let mut set = lock(&clock.set);
    loop {
        let now = Instant::now();
        let due: Vec<Weak<Timer>> =
            set.timers.extract_if(.., |(at, _)| *at <= now).map(|(_, timer)| timer).collect();
        set.timers.retain(|(_, timer)| timer.strong_count() > 0);
        let next = set.timers.iter().map(|(at, _)| *at).min();
        if !due.is_empty() {
            drop(set);
            for timer in due.iter().filter_map(Weak::upgrade) {
                timer.fired.store(true, Ordering::Release);
                timer.waker.wake();
            }
            set = lock(&clock.set);
            continue;
        }
        let Some(next) = next else {
            set.ticks = false;
            return;
        };
        let waited = clock.changed.wait_timeout(set, next.saturating_duration_since(now));
        set = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
}
