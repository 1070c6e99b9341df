//! Polling of a fetch's progress by tasks: by followers, and by the task that reads the source.

use super::Progress;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

/// Why the task that reads the source is woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PumpCall {
    /// A reader waits for bytes that have arrived and are not written.
    Write,
    /// No reader is left.
    Deserted,
}

impl Progress {
    /// Ready if there are bytes after `position`, or the end, or `look` finds something; otherwise the task is woken when that
    /// may be so.
    pub fn poll_moved(
        &self,
        position: u64,
        look: impl FnOnce() -> bool,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        let mut state = self.state();
        if state.has_moved(position) || look() {
            return Poll::Ready(());
        }
        if !state.wakers.iter().any(|known| known.will_wake(context.waker())) {
            state.wakers.push(context.waker().clone());
        }
        let asked_before = self.awaited.swap(true, Ordering::Relaxed);
        let pump_waker = if asked_before { None } else { state.pump_waker.take() };
        drop(state);
        pump_waker.into_iter().for_each(Waker::wake);
        Poll::Pending
    }

    /// What `look` finds; `None` if there are bytes after `position`, or the end. The state stays locked while `look` runs, so
    /// that the fetch does not end in between.
    pub fn look_unless_moved<T>(&self, position: u64, look: impl FnOnce() -> T) -> Option<T> {
        let state = self.state();
        (!state.has_moved(position)).then(look)
    }

    /// Asks the task that reads the source for a sign of life; false if it has not answered the previous request.
    pub fn check_writer(&self) -> bool {
        let mut state = self.state();
        let answered = !std::mem::replace(&mut state.owes_pong, true);
        let pump_waker = state.pump_waker.take();
        drop(state);
        pump_waker.into_iter().for_each(Waker::wake);
        answered
    }

    /// For the task that reads the source: ready after a reader has started to read; false if no reader is left.
    pub fn poll_demand(&self, context: &mut Context<'_>) -> Poll<bool> {
        let mut state = self.state();
        state.owes_pong = false;
        if state.readers == 0 {
            return Poll::Ready(false);
        }
        state.has_demand |= self.is_awaited();
        if state.has_demand {
            return Poll::Ready(true);
        }
        state.pump_waker = Some(context.waker().clone());
        Poll::Pending
    }

    /// For the same task, while it waits for its source: other work, after `received` bytes have arrived.
    pub fn poll_call(&self, received: u64, context: &mut Context<'_>) -> Poll<PumpCall> {
        let mut state = self.state();
        state.owes_pong = false;
        // Even if no reader is left: a new one may join.
        state.pump_waker = Some(context.waker().clone());
        if state.readers == 0 {
            return Poll::Ready(PumpCall::Deserted);
        }
        if self.is_awaited() && state.written < received {
            return Poll::Ready(PumpCall::Write);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::single_flight::FetchEnd;
    use crate::single_flight::progress::FetchPhase;
    use std::sync::atomic::AtomicBool;
    use std::thread;
    use std::time::Duration;

    #[test]
    fn a_fetch_does_not_end_while_a_reader_looks() {
        let (progress, ended) = (Progress::new(FetchPhase::Starting, None), AtomicBool::new(false));
        thread::scope(|scope| {
            let seen = progress.look_unless_moved(0, || {
                scope.spawn(|| {
                    progress.end(FetchEnd::CacheFailed);
                    ended.store(true, Ordering::Release);
                });
                thread::sleep(Duration::from_millis(50));
                ended.load(Ordering::Acquire)
            });
            assert_eq!(seen, Some(false));
        });
        assert_eq!(progress.look_unless_moved(0, || true), None);
    }
}
