//! Standard error, written by its own thread: a thread that logs never waits for the reader of standard error.
//!
//! A line that does not fit into the queue is dropped and counted. The count is logged when there is room again.

use crate::output::LogFormat;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Maximum number of bytes that wait to be written.
const MAX_WAITING_BYTES: usize = 1 << 20;

/// How many bytes are written at once: a pipe writes this many atomically.
const WRITE_BYTES: usize = 4096;

/// At the end, the longest wait for a reader that reads nothing.
const MAX_SILENCE: Duration = Duration::from_secs(2);

/// At the end, the longest total wait.
const MAX_FLUSH: Duration = Duration::from_secs(10);

/// How long a write waits after a non-blocking descriptor refused one.
const RETRY_AFTER: Duration = Duration::from_millis(10);

/// The queue of this process: it has one standard error.
static QUEUE: OnceLock<LogQueue> = OnceLock::new();

/// Lines on their way to standard error.
#[derive(Debug)]
pub struct LogQueue {
    state: Mutex<QueueState>,
    changed: Condvar,
    format: LogFormat,
}

#[derive(Debug, Default)]
struct QueueState {
    waiting: Vec<u8>,
    dropped: u64,
    has_writer: bool,
    is_writing: bool,
    /// How many bytes were written so far.
    taken: u64,
}

/// The queue of the process; the first call sets its format.
pub fn queue(format: LogFormat) -> &'static LogQueue {
    QUEUE.get_or_init(|| LogQueue { state: Mutex::default(), changed: Condvar::new(), format })
}

/// When this is dropped, also by a panic, it waits until everything is written or the reader stops reading.
pub struct FlushAtEnd;

impl Drop for FlushAtEnd {
    fn drop(&mut self) {
        if let Some(queue) = QUEUE.get() {
            queue.flush();
        }
    }
}

impl LogQueue {
    /// Adds a line with its line end; drops the line if too many bytes wait.
    pub fn push(&'static self, line: &[u8]) {
        let mut state = self.lock();
        if state.waiting.len() + line.len() > MAX_WAITING_BYTES {
            state.dropped += 1;
            return;
        }
        state.waiting.extend_from_slice(line);
        if !state.has_writer {
            let writer = std::thread::Builder::new().name("image-cache-log".into());
            state.has_writer = writer.spawn(|| self.write_all()).is_ok();
        }
        drop(state);
        self.changed.notify_all();
    }

    fn flush(&self) {
        let (begun, mut state) = (Instant::now(), self.lock());
        let mut last = (state.taken, Instant::now());
        while state.has_writer && (!state.waiting.is_empty() || state.is_writing) {
            if state.taken != last.0 {
                last = (state.taken, Instant::now());
            }
            if last.1.elapsed() >= MAX_SILENCE || begun.elapsed() >= MAX_FLUSH {
                return;
            }
            let waited = self.changed.wait_timeout(state, Duration::from_millis(100));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_all(&self) {
        let mut state = self.lock();
        loop {
            if state.waiting.is_empty() {
                state.is_writing = false;
                self.changed.notify_all();
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let mut lines = std::mem::take(&mut state.waiting);
            let dropped = std::mem::take(&mut state.dropped);
            state.is_writing = true;
            drop(state);
            if dropped > 0 {
                lines.extend_from_slice(self.format.dropped(dropped).as_bytes());
            }
            for piece in lines.chunks(WRITE_BYTES) {
                write(piece);
                self.lock().taken += piece.len() as u64;
                self.changed.notify_all();
            }
            state = self.lock();
        }
    }
}

impl LogFormat {
    fn dropped(self, lines: u64) -> String {
        let words = "log lines were dropped: standard error was not read for too long";
        match self {
            LogFormat::Text => format!(" WARN {words} lines={lines}\n"),
            LogFormat::Json => {
                let now = crate::output::exact_time(SystemTime::now());
                format!(
                    "{{\"timestamp\":\"{now}\",\"level\":\"WARN\",\"message\":\"{words}\",\"lines\":{lines}}}\n"
                )
            }
        }
    }
}

/// Writes without std's handle, because other users of that handle would wait for its lock.
fn write(mut bytes: &[u8]) {
    let stderr = io::stderr();
    while !bytes.is_empty() {
        match rustix::io::write(&stderr, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => std::thread::sleep(RETRY_AFTER),
            // The reader has closed it.
            Err(_) => return,
        }
    }
}

/// The log writes each line with one call.
impl io::Write for &'static LogQueue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
