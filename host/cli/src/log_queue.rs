//! Standard error, written by a thread of its own: whoever logs never waits for whoever reads.
//!
//! What does not fit into the queue is dropped and counted, and the count is said once there is room again.

use super::output::LogFormat;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Bytes that wait to be written.
const MOST: usize = 1 << 20;

/// Bytes that are written at once: a pipe takes so many whole.
const AT_ONCE: usize = 4096;

/// At the end a reader that takes nothing for so long is given up.
const SILENT: Duration = Duration::from_secs(2);

/// At the end nobody waits for longer.
const FLUSHED: Duration = Duration::from_secs(10);

/// A descriptor that does not block is tried again after so long.
const AGAIN: Duration = Duration::from_millis(10);

/// The queue of this process: it has one standard error.
static QUEUE: OnceLock<LogQueue> = OnceLock::new();

/// Lines on their way to standard error.
#[derive(Debug, Clone)]
pub struct LogQueue(Arc<Queue>);

#[derive(Debug)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    format: LogFormat,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<u8>,
    dropped: u64,
    has_writer: bool,
    is_writing: bool,
    /// Bytes that were taken so far.
    taken: u64,
}

/// The queue; its format is that of who asks first.
pub fn queue(format: LogFormat) -> LogQueue {
    QUEUE.get_or_init(|| LogQueue::new(format)).clone()
}

/// When it is dropped, be it by a panic, it waits until what was logged is written, or nobody takes it.
pub struct FlushAtEnd;

impl Drop for FlushAtEnd {
    fn drop(&mut self) {
        if let Some(queue) = QUEUE.get() {
            queue.flush();
        }
    }
}

impl LogQueue {
    fn new(format: LogFormat) -> LogQueue {
        LogQueue(Arc::new(Queue { state: Mutex::default(), changed: Condvar::new(), format }))
    }

    /// Adds a line, with its end; it is dropped where too many wait.
    pub fn push(&self, line: &[u8]) {
        let mut state = self.0.lock();
        if state.waiting.len() + line.len() > MOST {
            state.dropped += 1;
            return;
        }
        state.waiting.extend_from_slice(line);
        if !state.has_writer {
            let queue = Arc::clone(&self.0);
            let writer = std::thread::Builder::new().name("image-cache-log".into());
            state.has_writer = writer.spawn(move || queue.write_all()).is_ok();
        }
        drop(state);
        self.0.changed.notify_all();
    }

    fn flush(&self) {
        let (begun, mut state) = (Instant::now(), self.0.lock());
        let mut last = (state.taken, Instant::now());
        while state.has_writer && (!state.waiting.is_empty() || state.is_writing) {
            if state.taken != last.0 {
                last = (state.taken, Instant::now());
            }
            if last.1.elapsed() >= SILENT || begun.elapsed() >= FLUSHED {
                return;
            }
            let waited = self.0.changed.wait_timeout(state, Duration::from_millis(100));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
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
            for piece in lines.chunks(AT_ONCE) {
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
                let now = super::output::exact_time(SystemTime::now());
                format!(
                    "{{\"timestamp\":\"{now}\",\"level\":\"WARN\",\"message\":\"{words}\",\"lines\":{lines}}}\n"
                )
            }
        }
    }
}

/// Not by std's handle: whoever else uses that would wait for its lock.
fn write(mut bytes: &[u8]) {
    let stderr = io::stderr();
    while !bytes.is_empty() {
        match rustix::io::write(&stderr, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => std::thread::sleep(AGAIN),
            // Nobody will ever read it.
            Err(_) => return,
        }
    }
}

/// A line as the log makes it: one write each.
impl io::Write for LogQueue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
