//! A fetch whose source belongs to all its readers, and how one of them reads the next piece.

use super::growing_file::FetchEnd;
use super::producer::{Producer, SharedSource};
use super::progress::Progress;
use super::wait_graph::{Holding, Waiting};
use crate::error::Error;
use crate::fill::Fill;
use image_cache_model::ImageId;
use image_cache_store::image_hasher::WRITE_BLOCK;
use image_cache_store::sync::lock;
use std::io::{self, Read};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The bytes of an image, from its beginning.
pub(crate) type BoxedSource = Box<dyn Read + Send>;

/// Opens a source when it is needed.
pub(crate) type OpenSource = Box<dyn FnOnce() -> io::Result<BoxedSource> + Send>;

/// A source that is opened by the first read.
pub(crate) enum LazySource {
    Closed(Option<OpenSource>),
    Open(BoxedSource),
}

impl LazySource {
    pub fn new(fetch: OpenSource) -> Self {
        LazySource::Closed(Some(fetch))
    }
}

impl Read for LazySource {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            match self {
                LazySource::Open(source) => return source.read(buf),
                LazySource::Closed(fetch) => match fetch.take() {
                    Some(fetch) => *self = LazySource::Open(fetch()?),
                    None => return Err(io::Error::other("the source could not be opened earlier")),
                },
            }
        }
    }
}

/// A fetch whose source belongs to all its readers.
///
/// A reader that needs bytes takes the pump, moves the next piece, and puts the pump back. A drop with the last reader abandons
/// the fetch.
pub(crate) struct SharedFetch {
    progress: Arc<Progress>,
    image_id: ImageId,
    /// Empty while a reader fetches the next piece, and after the fetch has ended.
    pump: Mutex<Option<Box<SourcePump>>>,
    to_end: bool,
}

/// Moves the bytes from the source into the file.
pub(crate) struct SourcePump {
    source: LazySource,
    fill: Fill,
    buffer: Vec<u8>,
}

impl SharedFetch {
    /// Starts a fetch that others can follow. `to_end`: continue it after the last reader was dropped.
    pub fn start(fetch: OpenSource, mut fill: Fill, to_end: bool) -> Arc<SharedFetch> {
        fill.keep_pending();
        let progress = Arc::clone(fill.progress());
        let image_id = fill.image_id().clone();
        let pump =
            Box::new(SourcePump { source: LazySource::new(fetch), fill, buffer: Vec::new() });
        let pump = Mutex::new(Some(pump));
        let fetch = Arc::new(SharedFetch { progress, image_id, pump, to_end });
        let shared: Arc<dyn SharedSource> = fetch.clone();
        fetch.progress.publish_producer(Producer::AnyReader(Arc::downgrade(&shared)));
        fetch
    }

    pub fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    /// After a failure of the cache: the source and the fill that verifies it, for the reader that started the fetch.
    pub fn take(&self) -> Option<(LazySource, Fill)> {
        lock(&self.pump).take().map(|pump| (pump.source, pump.fill))
    }

    fn fetch_with(&self, pump: Box<SourcePump>) -> io::Result<()> {
        let mut busy = BusyPump(Some(pump));
        let Some(pump) = &mut busy.0 else { return Ok(()) };
        let holding = Holding::start(&*self.progress);
        let pumped = pump.pump_next();
        drop(holding);
        let Some(mut pump) = busy.0.take() else { return Ok(()) };
        match pumped {
            Ok(true) => self.put_back(pump),
            Ok(false) => drop(pump.fill.finish().map_err(io::Error::from)?),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.put_back(pump),
            // Not a failure, but a request to read again.
            Err(error) if Error::asks_to_read_again(&error) => {
                let error = Error::of_waiting_source(pump.fill.image_id(), error);
                self.put_back(pump);
                return Err(error);
            }
            Err(error) => {
                pump.fill.reject(&error);
                return Err(error);
            }
        }
        Ok(())
    }

    fn put_back(&self, mut pump: Box<SourcePump>) {
        if pump.fill.bypass_reason().is_none() {
            *lock(&self.pump) = Some(pump);
            return self.progress.notify();
        }
        // From here only the first reader may read the source.
        let pending = pump.fill.take_pending();
        self.progress.end_with(pending, FetchEnd::CacheFailed, || *lock(&self.pump) = Some(pump));
    }
}

impl SharedSource for SharedFetch {
    fn fetch_next(&self, position: u64) -> io::Result<()> {
        let mut waiting = None;
        loop {
            let look = || match lock(&self.pump).take() {
                Some(pump) => Some(Some(pump)),
                // Before the wait it is registered, without a lock.
                None => waiting.is_none().then_some(None),
            };
            match self.progress.wait_unless(position, look) {
                Some(Some(pump)) => {
                    drop(waiting);
                    return self.fetch_with(pump);
                }
                Some(None) => {
                    waiting = Some(Waiting::start(&self.progress, &self.image_id, position)?);
                }
                None => return Ok(()),
            }
        }
    }

    fn try_fetch_next(&self, position: u64) -> io::Result<bool> {
        // In one step: if the cache fails, the pump belongs to the reader that opened the source alone, from that end on.
        let look = || lock(&self.pump).take();
        let Some(pump) = self.progress.look_unless_moved(position, look) else { return Ok(true) };
        pump.map_or(Ok(false), |pump| self.fetch_with(pump).map(|()| true))
    }

    fn is_idle(&self) -> bool {
        lock(&self.pump).is_some()
    }

    fn fetch_rest_detached(self: Arc<Self>) {
        if !self.to_end || self.progress.has_ended() {
            return;
        }
        let fetch_rest = move || {
            while !self.progress.has_ended() {
                match self.fetch_next(u64::MAX) {
                    Ok(()) => {}
                    Err(error) if Error::asks_to_read_again(&error) => {
                        std::thread::sleep(Duration::from_millis(10));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a fetch without readers failed");
                    }
                }
            }
        };
        let thread = std::thread::Builder::new().name("image-cache-fetch".into()).spawn(fetch_rest);
        if let Err(error) = thread {
            tracing::warn!(%error, "a fetch without readers is abandoned");
        }
    }
}

impl SourcePump {
    /// Reads the next piece; false if the source has ended.
    fn pump_next(&mut self) -> io::Result<bool> {
        // Bytes that have already arrived are written first: the source may be slow.
        if !self.fill.has_pending() {
            if self.buffer.is_empty() {
                self.buffer = vec![0; WRITE_BLOCK];
            }
            let count = self.source.read(&mut self.buffer)?;
            if count == 0 {
                return Ok(false);
            }
            let claim = "the source returned a larger count than the buffer's size";
            let piece = self.buffer.get(..count).ok_or_else(|| io::Error::other(claim))?;
            self.fill.push(piece)?;
        }
        self.fill.flush();
        Ok(true)
    }
}

/// A pump in use. If the source panics, the drop rejects its fill.
struct BusyPump(Option<Box<SourcePump>>);

impl Drop for BusyPump {
    fn drop(&mut self) {
        if let Some(pump) = &mut self.0 {
            pump.fill.reject(&io::Error::other("the source panicked"));
        }
    }
}
