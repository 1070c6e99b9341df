//! How long a reader waits for a writer without progress.

use std::time::{Duration, Instant};

/// The maximum time without progress, from the first check that finds nothing new.
#[derive(Debug)]
pub(super) struct Patience {
    time: Duration,
    since: Option<Instant>,
}

impl Patience {
    pub fn new(time: Duration) -> Self {
        Patience { time, since: None }
    }

    pub fn renew(&mut self) {
        self.since = None;
    }

    pub fn expire_or_start(&mut self) -> bool {
        self.since.get_or_insert_with(Instant::now).elapsed() >= self.time
    }

    pub fn left(&self) -> Duration {
        let passed = self.since.map_or(Duration::ZERO, |since| since.elapsed());
        self.time.saturating_sub(passed).max(Duration::from_millis(1))
    }
}
