//! How long one call of a driver has run, in the guest and in the host for it.

use crate::engine::TICK;
use image_cache_model::Limits;
use nix::time::{ClockId, clock_gettime};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The deadline of the running call, shared with everything in the host that works for the call. SQLite checks every few steps
/// whether it has passed.
#[derive(Debug, Clone)]
pub struct Deadline {
    /// The origin of the microseconds.
    base: Instant,
    micros: Arc<AtomicU64>,
}

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

impl Deadline {
    /// Sets the deadline, for all clones.
    pub fn set(&self, at: Instant) {
        let micros = at.saturating_duration_since(self.base).as_micros();
        self.micros.store(u64::try_from(micros).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How much time is left; zero if the deadline has passed.
    pub fn remaining(&self) -> Duration {
        self.at().saturating_sub(self.base.elapsed())
    }

    /// Whether it has passed.
    pub fn passed(&self) -> bool {
        self.base.elapsed() >= self.at()
    }

    fn at(&self) -> Duration {
        Duration::from_micros(self.micros.load(Ordering::Relaxed))
    }
}

impl Default for Deadline {
    /// A deadline that has passed.
    fn default() -> Self {
        Deadline { base: Instant::now(), micros: Arc::default() }
    }
}

/// The two clocks of a call: the guest's own time, and the time of the whole call.
///
/// The guest's own time is that of its processor: on a busy machine, a driver is not discarded because it had to wait for its
/// turn. The whole call is bounded by the time that passes.
#[derive(Debug)]
pub struct CallClock {
    /// How long a call may take.
    pub limits: Limits,
    /// The deadline for the host's work.
    pub deadline: Deadline,
    started: Instant,
    /// An earlier deadline for this call, if any.
    until: Option<Instant>,
    in_host: Duration,
    /// The processor time of the thread at the first check in this call. Asking for it costs a system call, so it is not known
    /// for calls that end before the first check.
    processor_at_check: Option<Duration>,
    /// How long the guest had waited for its processor at the last check.
    waited: Duration,
}

/// Why a call was interrupted.
#[derive(Debug, thiserror::Error)]
pub enum DeadlineExceeded {
    #[error("it computed for more than {0:?}, the limit of a call")]
    Guest(Duration),
    #[error("the call took more than {0:?} including its host calls, which is the limit of a call")]
    Call(Duration),
}

impl CallClock {
    pub fn new(limits: Limits, deadline: Deadline) -> Self {
        let (started, in_host) = (Instant::now(), Duration::ZERO);
        CallClock {
            limits,
            deadline,
            started,
            until: None,
            in_host,
            processor_at_check: None,
            waited: Duration::ZERO,
        }
    }

    /// Restarts both clocks, for a call that must end at `until` if that is given.
    pub fn start(&mut self, until: Option<Instant>) {
        self.started = Instant::now();
        self.until = until;
        self.in_host = Duration::ZERO;
        self.processor_at_check = None;
        self.waited = Duration::ZERO;
        let own = end_of(self.started, self.limits.call_time);
        self.deadline.set(until.map_or(own, |until| until.min(own)));
    }

    /// Excludes the host's work for the guest from the guest's time.
    pub fn spent_in_host(&mut self, time: Duration) {
        self.in_host += time;
    }

    /// Whether the call may continue. The guest's thread calls this at each tick during which the guest runs.
    pub fn check(&mut self) -> Result<(), DeadlineExceeded> {
        if let Some(now) = processor_time() {
            let first = *self.processor_at_check.get_or_insert(now);
            // A guest that has its processor is checked at each tick, so it had it for about a tick before the first check.
            let on_processor = TICK + now.saturating_sub(first);
            self.waited = self.outside_host().saturating_sub(on_processor);
        }
        let (guest, total) = self.spent();
        if total > self.limits.call_time || self.until.is_some_and(|until| Instant::now() > until) {
            return Err(DeadlineExceeded::Call(self.limits.call_time));
        }
        if guest > self.limits.guest_time {
            return Err(DeadlineExceeded::Guest(self.limits.guest_time));
        }
        Ok(())
    }

    /// The guest's own time and the whole time of the call so far.
    pub fn spent(&self) -> (Duration, Duration) {
        (self.outside_host().saturating_sub(self.waited), self.started.elapsed())
    }

    /// The time of the call so far without the host's work.
    fn outside_host(&self) -> Duration {
        self.started.elapsed().saturating_sub(self.in_host)
    }
}

/// The processor time that this thread has used; `None` if the kernel does not say, and then the time that passes counts. (rustix asks the kernel's vDSO, which crashes under valgrind.)
fn processor_time() -> Option<Duration> {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from).ok()
}

/// The deadline of a call that starts now. If the limit exceeds the clock's range, a year is used.
pub fn end_of(started: Instant, call_time: Duration) -> Instant {
    started.checked_add(call_time).unwrap_or(started + YEAR)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(guest: Duration, call: Duration) -> CallClock {
        let mut limits = Limits::default();
        (limits.guest_time, limits.call_time) = (guest, call);
        let mut clock = CallClock::new(limits, Deadline::default());
        clock.start(None);
        clock
    }

    /// Uses the processor for this long, with a check at each tick.
    fn compute(clock: &mut CallClock, time: Duration) -> Result<(), DeadlineExceeded> {
        let until = processor_time().map(|now| now + time);
        while processor_time() < until {
            clock.check()?;
        }
        clock.check()
    }

    #[test]
    fn time_in_the_host_counts_for_the_call_but_not_for_the_guest() {
        let mut clock = clock(Duration::from_millis(20), Duration::from_secs(1));
        let started = Instant::now();
        let computed = compute(&mut clock, Duration::from_millis(60));
        assert!(matches!(computed, Err(DeadlineExceeded::Guest(_))));
        clock.spent_in_host(started.elapsed());
        assert!(clock.check().is_ok());
        std::thread::sleep(Duration::from_secs(1));
        clock.spent_in_host(Duration::from_secs(1));
        assert!(matches!(clock.check(), Err(DeadlineExceeded::Call(_))));
        assert!(clock.deadline.passed());
    }

    #[test]
    fn waiting_for_the_processor_is_not_the_guest_s_own_time() {
        let mut clock = clock(Duration::from_millis(20), Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(100));
        assert!(clock.check().is_ok());
        std::thread::sleep(Duration::from_millis(100));
        assert!(clock.check().is_ok());
        let (guest, total) = clock.spent();
        assert!(guest < Duration::from_millis(20) && total >= Duration::from_millis(200));
    }

    #[test]
    fn a_call_with_less_time_ends_earlier() {
        let mut clock = clock(Duration::from_secs(60), Duration::from_secs(60));
        clock.start(Some(Instant::now() + Duration::from_millis(10)));
        assert!(clock.check().is_ok());
        std::thread::sleep(Duration::from_millis(20));
        assert!(matches!(clock.check(), Err(DeadlineExceeded::Call(_))));
        assert!(clock.deadline.passed());
    }

    #[test]
    fn a_limit_beyond_the_clock_s_range_does_not_panic() {
        let mut clock = clock(Duration::MAX, Duration::MAX);
        assert!(clock.check().is_ok());
        assert!(!clock.deadline.passed());
    }
}
