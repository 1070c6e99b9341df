//! The progress of a fetch, which its fill publishes to all followers.

mod polling;

#[cfg(feature = "tokio")]
pub(crate) use polling::PumpCall;

use super::growing_file::{FetchEnd, Snapshot};
use super::partial_bytes::PartialBytes;
use super::producer::Producer;
use super::progress_info::FetchProgress;
use super::source_state::SourceState;
use crate::withheld::readable;
use image_cache_store::process::Generation;
use image_cache_store::sync::lock;
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;
use std::time::Duration;

/// The state that a fill and its followers share: the progress of the fetch, and how it ended.
///
/// Only the fill writes; the first end counts. Followers read, wait, and are woken at each step. The drop of a fill ends it as
/// abandoned, so that no follower waits forever.
#[derive(Debug)]
pub(crate) struct Progress {
    state: Mutex<ProgressState>,
    changed: Condvar,
    /// Whether a reader waits for bytes, so that they are written on arrival and not in blocks.
    awaited: AtomicBool,
    file: OnceLock<Arc<File>>,
    /// Total bytes of the image, if the reader that started the fetch knew.
    size: Option<u64>,
    /// How its source is being read.
    pub(super) source: SourceState<Progress>,
    /// The process whose fetch it is.
    process: Generation,
}

impl Drop for Progress {
    /// The last follower of a published image has left: the lock that protected the image from eviction is released explicitly,
    /// because a child process that is just being started has the file open too.
    fn drop(&mut self) {
        if !self.process.is_current() {
            return;
        }
        let has_ended = matches!(self.state().phase, FetchPhase::Ended(_));
        if let Some(file) = self.file.get().filter(|_| has_ended) {
            // On a file system without locks it fails, and there was none.
            let _ = file.unlock();
        }
    }
}

#[derive(Debug)]
struct ProgressState {
    phase: FetchPhase,
    /// Bytes of the file that may be read.
    written: u64,
    /// The bytes after them that the cache failed to write.
    pending: Arc<[u8]>,
    /// Whether the source has ended, and the image is being verified and published.
    is_verifying: bool,
    /// The written bytes when it was found to make no progress.
    stuck_at: Option<u64>,
    /// The waiting tasks; threads wait at the condition variable.
    wakers: Vec<Waker>,
    /// The waker of the task that reads the source, if it waits for demand.
    pump_waker: Option<Waker>,
    /// Number of followers.
    readers: usize,
    /// Whether a follower has waited for bytes.
    has_demand: bool,
    /// Whether the task that reads the source was pinged and has not answered yet.
    owes_pong: bool,
}

#[derive(Debug, Clone)]
enum FetchPhase {
    /// It is not known yet whether the image will be cached.
    Starting,
    Running(Producer),
    Ended(FetchEnd),
}

impl Progress {
    /// The progress of a fetch that is about to start.
    pub fn starting(size: Option<u64>) -> Arc<Progress> {
        Progress::new(FetchPhase::Starting, size)
    }

    /// The progress of a fetch that bypasses the cache, which has no followers.
    pub fn detached() -> Arc<Progress> {
        Progress::new(FetchPhase::Ended(FetchEnd::NotStarted), None)
    }

    fn new(phase: FetchPhase, size: Option<u64>) -> Arc<Progress> {
        let state = ProgressState {
            phase,
            written: 0,
            pending: Arc::default(),
            is_verifying: false,
            stuck_at: None,
            wakers: Vec::new(),
            pump_waker: None,
            readers: 0,
            has_demand: false,
            owes_pong: false,
        };
        Arc::new(Progress {
            state: Mutex::new(state),
            changed: Condvar::new(),
            awaited: AtomicBool::new(false),
            file: OnceLock::new(),
            size,
            source: SourceState::new(),
            process: Generation::current(),
        })
    }

    /// Sets the file with its bytes.
    pub fn set_file(&self, file: Arc<File>) {
        let _ = self.file.set(file);
    }

    /// Allows followers, unless it has already ended.
    pub fn publish_producer(&self, producer: Producer) {
        let mut state = self.state();
        if matches!(state.phase, FetchPhase::Starting) {
            state.phase = FetchPhase::Running(producer);
            self.wake(state);
        }
    }

    /// Sets the number of bytes of the file that may be read.
    pub fn set_written(&self, written: u64) {
        let mut state = self.state();
        state.written = written;
        self.awaited.store(false, Ordering::Relaxed);
        self.wake(state);
    }

    /// The source has ended; verifying and publishing may take long on a slow disk.
    pub fn set_verifying(&self) {
        self.state().is_verifying = true;
    }

    /// Remembers that it makes no progress, so that other readers need not wait for it.
    pub fn remember_stuck(&self) {
        let mut state = self.state();
        state.stuck_at = Some(state.written);
        self.wake(state);
    }

    /// Forgets that the writer made no progress: its fill was dropped and ends soon, and a follower then takes over.
    pub fn note_dropped(&self) {
        self.state().stuck_at = None;
    }

    /// Whether it is known to make no progress, and has written nothing since.
    pub fn is_stuck(&self) -> bool {
        self.state().is_stuck()
    }

    /// Ends the fetch; the first end counts.
    pub fn end(&self, end: FetchEnd) {
        self.end_with(Vec::new(), end, || ());
    }

    /// Ends the fetch, with the last bytes, which are not in the file. `place` hands over the source under the same lock, so that
    /// no reader sees the end without the source.
    pub fn end_with(&self, pending: Vec<u8>, end: FetchEnd, place: impl FnOnce()) {
        let mut state = self.state();
        place();
        if !matches!(state.phase, FetchPhase::Ended(_)) {
            state.phase = FetchPhase::Ended(end);
            state.pending = pending.into();
        }
        self.awaited.store(false, Ordering::Relaxed);
        self.wake(state);
    }

    /// Whether it has ended, in any way.
    pub fn has_ended(&self) -> bool {
        matches!(self.state().phase, FetchPhase::Ended(_))
    }

    /// Whether a reader waits for the next bytes.
    pub fn is_awaited(&self) -> bool {
        self.awaited.load(Ordering::Relaxed)
    }

    /// Waits until it is known whether there is a fetch to follow; returns its producer if so.
    pub fn wait_for_producer(&self) -> Option<Producer> {
        let mut state = self.state();
        loop {
            match &state.phase {
                FetchPhase::Starting => state = self.wait_in(state, None),
                FetchPhase::Running(producer) => return Some(producer.clone()),
                FetchPhase::Ended(_) => return None,
            }
        }
    }

    /// Its progress, unless it is starting or has ended.
    pub fn progress_info(&self) -> Option<FetchProgress> {
        let state = self.state();
        let is_running = matches!(state.phase, FetchPhase::Running(_));
        is_running.then_some(FetchProgress { bytes: state.written, size: self.size })
    }

    /// Total bytes of the image, if the reader that started the fetch knew.
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// The bytes that may be read now; an error if it has no file.
    pub fn snapshot(&self) -> io::Result<Snapshot> {
        let state = self.state();
        let file = self.file.get().ok_or_else(|| io::Error::other("the fetch has no file"))?;
        let end = match &state.phase {
            FetchPhase::Ended(end) => Some(end.clone()),
            FetchPhase::Starting | FetchPhase::Running(_) => None,
        };
        let bytes = PartialBytes::new(Arc::clone(file), state.written, Arc::clone(&state.pending));
        let (is_verifying, is_stuck) = (state.is_verifying, state.is_stuck());
        Ok(Snapshot { bytes, end, is_verifying, is_stuck })
    }

    /// Waits for bytes after `position`, the end, or the timeout; may return earlier.
    pub fn wait(&self, position: u64, at_most: Option<Duration>) {
        let state = self.state();
        if !state.has_moved(position) {
            self.sleep(state, at_most);
        }
    }

    /// Like [`wait`](Self::wait) without a timeout, unless `look` finds something. A change of what `look` checks must be
    /// followed by [`notify`](Self::notify).
    pub fn wait_unless<T>(&self, position: u64, look: impl FnOnce() -> Option<T>) -> Option<T> {
        let state = self.state();
        if state.has_moved(position) {
            return None;
        }
        let found = look();
        if found.is_none() {
            self.sleep(state, None);
        }
        found
    }

    /// Wakes all waiters after a change outside this state; they check again.
    pub fn notify(&self) {
        self.wake(self.state());
    }

    fn sleep(&self, mut state: MutexGuard<'_, ProgressState>, at_most: Option<Duration>) {
        let asked_before = self.awaited.swap(true, Ordering::Relaxed);
        if !asked_before && let Some(pump_waker) = state.pump_waker.take() {
            // Not while holding the lock, because a waker may run any code. The reader then checks again.
            drop(state);
            return pump_waker.wake();
        }
        drop(self.wait_in(state, at_most));
    }

    fn wait_in<'a>(
        &self,
        state: MutexGuard<'a, ProgressState>,
        at_most: Option<Duration>,
    ) -> MutexGuard<'a, ProgressState> {
        match at_most {
            None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            Some(time) => {
                self.changed.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }

    fn wake(&self, mut state: MutexGuard<'_, ProgressState>) {
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        self.changed.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }

    fn state(&self) -> MutexGuard<'_, ProgressState> {
        lock(&self.state)
    }
}

/// The followers, counted for the producer.
impl Progress {
    /// Adds a follower.
    pub fn join(&self) {
        self.state().readers += 1;
    }

    /// Removes a follower; returns the number of remaining ones.
    pub fn leave(&self) -> usize {
        let mut state = self.state();
        state.readers = state.readers.saturating_sub(1);
        let left = state.readers;
        let pump_waker = if left == 0 { state.pump_waker.take() } else { None };
        drop(state);
        pump_waker.into_iter().for_each(Waker::wake);
        left
    }
}

impl ProgressState {
    fn is_stuck(&self) -> bool {
        self.stuck_at == Some(self.written) && !self.is_verifying
    }

    fn has_moved(&self, position: u64) -> bool {
        matches!(self.phase, FetchPhase::Ended(_)) || readable(self.written, false) > position
    }
}
