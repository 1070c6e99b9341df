//! `--record`: writes the clients' requests of images into a file, as a trace for `image-cache driver simulate`.
//!
//! A request costs a copy of its path and query, and a place in a queue. A thread writes; if the disk is slower than the requests, or fails,
//! requests are missing in the trace, with a line in the log, and no client waits.

use super::cache_status::{CacheStatus, Reason};
use super::options::RecordOptions;
use anyhow::Context;
use headers::{ContentLength, ContentRange, HeaderMapExt};
use hyper::{Method, Response, StatusCode};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Requests that wait for the writer; further ones are dropped.
const MAX_QUEUED: usize = 10_000;

/// Longer targets are not recorded, so that the queue does not fill the memory, in bytes.
const MAX_TARGET: usize = 4096;

/// How much of the end of an existing trace is searched for the end of its last line, in bytes.
const MAX_LINE: u64 = 64 << 10;

/// How long requests are gathered: a writer that waited for each would have to be woken by each, which costs the request more than
/// its copy.
const GATHER: Duration = Duration::from_millis(20);

/// How long a request stays in memory.
const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// How long the end of the service waits for the last requests to be written.
const LAST_FLUSH: Duration = Duration::from_secs(1);

/// Bytes of a digest that names an image.
const DIGEST_BYTES: usize = 16;

/// The columns, as `image-cache driver simulate` expects them.
const HEADER: &[u8] = b"time,id,size\n";

/// A trace that is being written. Dropping it writes the last requests.
pub struct RequestTrace {
    /// `None` while it is dropped.
    queue: Option<SyncSender<Recorded>>,
    /// Whether the log has a line about missing requests.
    has_warned: AtomicBool,
    /// Disconnected when the writer has ended.
    ended: Mutex<Receiver<()>>,
}

/// A request of an image.
struct Recorded {
    at: SystemTime,
    /// Path and query.
    target: String,
    size: u64,
}

impl RequestTrace {
    /// The trace that the options name; `None` if they name none. An existing file is continued.
    pub fn open(options: &RecordOptions) -> anyhow::Result<Option<RequestTrace>> {
        let is_hashed = options.record_hashed;
        let Some(path) = &options.record else { return Ok(None) };
        let cannot = || format!("cannot write the trace {}", path.display());
        // Only the service's user may read what clients request.
        let mut options = File::options();
        options.read(true).append(true).create(true).mode(0o600);
        // A pipe or a terminal may not be readable.
        let file = options.open(path).or_else(|_| File::options().append(true).open(path));
        let file = file.with_context(cannot)?;
        let is_new = remove_partial_line(&file).with_context(cannot)? == 0;
        let (queue, requests) = sync_channel(MAX_QUEUED);
        let (ends, ended) = sync_channel(0);
        let write = move || {
            let _ends = ends;
            if let Err(error) = write(&requests, BufWriter::new(file), is_new, is_hashed) {
                tracing::warn!(%error, "the trace cannot be written; no more requests are recorded");
            }
        };
        let thread = std::thread::Builder::new().name("image-cache-trace".into());
        thread.spawn(write).with_context(cannot)?;
        Ok(Some(RequestTrace {
            queue: Some(queue),
            has_warned: AtomicBool::default(),
            ended: Mutex::new(ended),
        }))
    }

    /// Records a request, if its response is an image or a part of one.
    pub fn record<B>(&self, method: &Method, target: String, response: &Response<B>) {
        let Some(size) = image_size(method, response) else { return };
        let Some(queue) = self.queue.as_ref().filter(|_| target.len() <= MAX_TARGET) else {
            return;
        };
        let sent = queue.try_send(Recorded { at: SystemTime::now(), target, size });
        if matches!(sent, Err(TrySendError::Full(_)))
            && !self.has_warned.swap(true, Ordering::Relaxed)
        {
            tracing::warn!("requests are missing in the trace: its file is too slow");
        }
    }
}

impl Drop for RequestTrace {
    fn drop(&mut self) {
        self.queue = None;
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = ended.recv_timeout(LAST_FLUSH);
    }
}

/// The size of the whole image of a response that the cache handled; `None` if it is none, or if the size is unknown.
fn image_size<B>(method: &Method, response: &Response<B>) -> Option<u64> {
    let is_image = match CacheStatus::of(response)? {
        CacheStatus::Bypass(reason) => reason == Reason::Partial,
        _ => true,
    };
    if *method != Method::GET || !is_image {
        return None;
    }
    match response.status() {
        StatusCode::OK => Some(response.headers().typed_get::<ContentLength>()?.0),
        StatusCode::PARTIAL_CONTENT => response.headers().typed_get::<ContentRange>()?.bytes_len(),
        _ => None,
    }
}

/// Writes requests until no more can come.
fn write(
    requests: &Receiver<Recorded>,
    mut file: BufWriter<File>,
    is_new: bool,
    is_hashed: bool,
) -> io::Result<()> {
    if is_new {
        file.write_all(HEADER)?;
    }
    let mut flush_at = Instant::now() + FLUSH_EVERY;
    loop {
        match requests.recv_timeout(flush_at.saturating_duration_since(Instant::now())) {
            Ok(request) => {
                for request in std::iter::once(request).chain(requests.try_iter()) {
                    file.write_all(request.line(is_hashed).as_bytes())?;
                }
                std::thread::sleep(GATHER);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return file.flush(),
        }
        if Instant::now() >= flush_at {
            file.flush()?;
            flush_at = Instant::now() + FLUSH_EVERY;
        }
    }
}

/// Removes the rest of a line that a killed process or a full disk left at the end; returns the length of the file.
fn remove_partial_line(file: &File) -> io::Result<u64> {
    let metadata = file.metadata()?;
    let (length, from) = (metadata.len(), metadata.len().saturating_sub(MAX_LINE));
    if !metadata.is_file() || length == 0 {
        return Ok(length);
    }
    let mut end = vec![0; usize::try_from(length - from).map_err(io::Error::other)?];
    file.read_exact_at(&mut end, from)?;
    let whole = end.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| from + at as u64 + 1);
    if whole < length {
        file.set_len(whole)?;
    }
    Ok(whole)
}

impl Recorded {
    fn line(&self, is_hashed: bool) -> String {
        let since = self.at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let (seconds, micros) = (since.as_secs(), since.subsec_micros());
        let id = match is_hashed {
            true => hex::encode(&Sha256::digest(self.target.as_bytes())[..DIGEST_BYTES]),
            false => quoted(&self.target),
        };
        format!("{seconds}.{micros:06},{id},{}\n", self.size)
    }
}

/// A field of CSV.
fn quoted(text: &str) -> String {
    match text.contains([',', '"']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}
