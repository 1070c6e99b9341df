//! A time-out that needs no timer of the runtime, which the embedder may not have enabled.

use futures_util::task::AtomicWaker;
use image_cache_store::sync::lock;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// Rings once.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    rung: AtomicBool,
    sleeper: AtomicWaker,
}

/// The alarms of this process that have not rung. One thread rings them all; none runs where there are none.
static CLOCK: Clock =
    Clock { set: Mutex::new(Set { alarms: Vec::new(), ticks: false }), changed: Condvar::new() };

struct Clock {
    set: Mutex<Set>,
    changed: Condvar,
}

struct Set {
    alarms: Vec<(Instant, Weak<Alarm>)>,
    ticks: bool,
}

impl Alarm {
    pub fn after(time: Duration) -> io::Result<Arc<Alarm>> {
        let alarm = Arc::new(Alarm::default());
        let mut set = lock(&CLOCK.set);
        set.alarms.push((Instant::now() + time, Arc::downgrade(&alarm)));
        if !set.ticks {
            std::thread::Builder::new().name("image-cache-clock".into()).spawn(tick)?;
            set.ticks = true;
        }
        drop(set);
        CLOCK.changed.notify_one();
        Ok(alarm)
    }

    pub fn has_rung(&self) -> bool {
        self.rung.load(Ordering::Acquire)
    }

    pub fn poll(&self, context: &mut Context<'_>) -> Poll<()> {
        self.sleeper.register(context.waker());
        if self.has_rung() { Poll::Ready(()) } else { Poll::Pending }
    }
}

fn tick() {
    let mut set = lock(&CLOCK.set);
    loop {
        let now = Instant::now();
        let due: Vec<Weak<Alarm>> =
            set.alarms.extract_if(.., |(at, _)| *at <= now).map(|(_, alarm)| alarm).collect();
        set.alarms.retain(|(_, alarm)| alarm.strong_count() > 0);
        let next = set.alarms.iter().map(|(at, _)| *at).min();
        if !due.is_empty() {
            drop(set);
            for alarm in due.iter().filter_map(Weak::upgrade) {
                alarm.rung.store(true, Ordering::Release);
                alarm.sleeper.wake();
            }
            set = lock(&CLOCK.set);
            continue;
        }
        let Some(next) = next else {
            set.ticks = false;
            return;
        };
        let waited = CLOCK.changed.wait_timeout(set, next.saturating_duration_since(now));
        set = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
}
