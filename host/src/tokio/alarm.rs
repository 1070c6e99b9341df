//! A time-out that needs no timer of the runtime, which the embedder may not have enabled.

use futures_util::task::AtomicWaker;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

/// Rings once. Meant for what seldom happens: it costs a thread until it rings.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    rung: AtomicBool,
    sleeper: AtomicWaker,
}

impl Alarm {
    pub fn after(time: Duration) -> io::Result<Arc<Alarm>> {
        let alarm = Arc::new(Alarm::default());
        let rings = Arc::clone(&alarm);
        std::thread::Builder::new().name("image-cache-alarm".into()).spawn(move || {
            std::thread::sleep(time);
            rings.rung.store(true, Ordering::Release);
            rings.sleeper.wake();
        })?;
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
