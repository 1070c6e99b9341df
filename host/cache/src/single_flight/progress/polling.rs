//! What tasks ask of a fetch's progress: those that follow it, and the one that reads the source.

use super::Progress;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

/// What the task that reads the source is called for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PumpCall {
    /// A reader waits for bytes that have come and are not written.
    Write,
    /// No reader is left.
    Deserted,
}

impl Progress {
    /// Whether there is something behind `position`, or the end, or `look` has found something; if not,
    /// the task is woken when that may be so.
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

    /// Whether there is something behind `position`, or the end.
    pub fn has_moved(&self, position: u64) -> bool {
        self.state().has_moved(position)
    }

    /// Asks the task that reads the source for a sign of life; false if it owes one since the last time.
    pub fn ping(&self) -> bool {
        let mut state = self.state();
        let answered = !std::mem::replace(&mut state.owes_pong, true);
        let pump_waker = state.pump_waker.take();
        drop(state);
        pump_waker.into_iter().for_each(Waker::wake);
        answered
    }

    /// For the task that reads the source: ready when a reader has begun to read, and then always; false where
    /// nobody is left.
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

    /// For the same, while it waits for its source: what else there is to do, `received` bytes having come.
    pub fn poll_call(&self, received: u64, context: &mut Context<'_>) -> Poll<PumpCall> {
        let mut state = self.state();
        state.owes_pong = false;
        // Even when nobody is left: a reader may come.
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
