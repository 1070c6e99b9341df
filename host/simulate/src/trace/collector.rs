//! Collects the requests of a trace, gives the images numbers, and notes what is unusual.

use super::error::TraceError;
use super::format::TraceFormat;
use super::request::{Request, Trace};
use image_cache_model::ImageId;
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// Something unusual: how often, and where first.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    count: u64,
    first: u64,
}

impl Seen {
    fn at(&mut self, number: u64) {
        if self.count == 0 {
            self.first = number;
        }
        self.count += 1;
    }

    /// A note with the count and the first place, if there is anything to note.
    fn note(self, unit: &str, what: &str, consequence: &str) -> Option<String> {
        let Seen { count, first } = self;
        (count > 0).then(|| format!("{count} {what} (the first in {unit} {first}): {consequence}"))
    }
}

/// What has been read of a trace so far.
pub(super) struct Collector {
    format: TraceFormat,
    trace: Trace,
    numbers: HashMap<Box<str>, u32>,
    /// The size of each image: of its last request, or in a log the most that was sent.
    sizes: Vec<u64>,
    /// The time of the last request as it was written.
    last: u64,
    backwards: Seen,
    resized: Seen,
    digested: Seen,
    skipped: Seen,
}

impl Collector {
    pub fn new(format: TraceFormat) -> Self {
        Collector {
            format,
            trace: Trace::default(),
            numbers: HashMap::new(),
            sizes: Vec::new(),
            last: 0,
            backwards: Seen::default(),
            resized: Seen::default(),
            digested: Seen::default(),
            skipped: Seen::default(),
        }
    }

    /// Adds the request in this line or record; the time in microseconds.
    pub fn push(&mut self, number: u64, at: u64, id: &str, size: u64) -> Result<(), TraceError> {
        let image = self.image(number, id)?;
        if at < self.last {
            self.backwards.at(number);
        }
        self.last = at;
        let at = self.trace.requests.last().map_or(at, |before| at.max(before.at + 1));
        let known = &mut self.sizes[image as usize];
        if self.format.is_log() {
            *known = size.max(*known);
        } else {
            if *known != size && *known != u64::MAX {
                self.resized.at(number);
            }
            *known = size;
        }
        self.trace.requests.push(Request { at, size, image });
        Ok(())
    }

    /// Notes a line of a log that is no request of an image.
    pub fn skip(&mut self, number: u64) {
        self.skipped.at(number);
    }

    /// A fault in this line or record.
    pub fn malformed(&self, number: u64, reason: impl Into<String>) -> TraceError {
        TraceError::Malformed { unit: self.format.unit(), number, reason: reason.into() }
    }

    pub fn finish(mut self) -> Result<Trace, TraceError> {
        let unit = self.format.unit();
        let skipped = self.skipped.note(
            unit,
            &format!("{unit}s are no requests of images that were answered"),
            "they are skipped",
        );
        if self.trace.requests.is_empty() {
            return Err(TraceError::NoRequests { skipped });
        }
        if self.format.is_log() {
            for request in &mut self.trace.requests {
                request.size = self.sizes[request.image as usize];
            }
        }
        let backwards = self.backwards.note(
            unit,
            "requests are earlier than the one before them",
            "each is replayed 1 µs after the one before it",
        );
        let resized = self.resized.note(
            unit,
            "requests have another size than the last one of the same image",
            "each is a request of a new version, so a miss",
        );
        let digested = self.digested.note(
            unit,
            "ids cannot be the id of an image",
            "each is replaced by its SHA-256",
        );
        self.trace.notes.extend([skipped, backwards, resized, digested].into_iter().flatten());
        Ok(self.trace)
    }

    /// The number of an image.
    fn image(&mut self, number: u64, id: &str) -> Result<u32, TraceError> {
        if let Some(image) = self.numbers.get(id) {
            return Ok(*image);
        }
        let image = u32::try_from(self.trace.images.len()).ok().filter(|image| *image < u32::MAX);
        let image = image.ok_or_else(|| self.malformed(number, "there are too many images"))?;
        let image_id = match id.parse::<ImageId>() {
            Ok(id) => id,
            Err(_) => {
                // The ids of a log are paths.
                if !self.format.is_log() {
                    self.digested.at(number);
                }
                let digest = hex::encode(Sha256::digest(id.as_bytes()));
                digest.parse().map_err(|_| self.malformed(number, "the id cannot be used"))?
            }
        };
        self.numbers.insert(id.into(), image);
        self.trace.images.push(image_id);
        self.sizes.push(if self.format.is_log() { 0 } else { u64::MAX });
        Ok(image)
    }
}
