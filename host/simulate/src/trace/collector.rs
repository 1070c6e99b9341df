//! Collects the requests of a trace, gives the images numbers, and notes what is unusual.

use super::error::TraceError;
use super::format::TraceFormat;
use super::request::{Request, Trace};
use image_cache_model::{ImageId, RequestKind, Requester};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::time::Duration;

/// The maximum number of requests: 3.2 GB.
const MAX_REQUESTS: usize = 100_000_000;

/// The time between two requests without a time, in microseconds.
const SECOND: u64 = 1_000_000;

/// How much later than its time a request may be replayed without a note, in microseconds.
const MAX_SHIFT: u64 = SECOND;

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
        (count > 0).then(|| format!("{what}: {count} (the first: {unit} {first}); {consequence}"))
    }
}

/// The request in a line or record.
pub(super) struct Line<'a> {
    /// In microseconds.
    pub at: u64,
    pub id: &'a str,
    pub size: u64,
    /// Empty if it is not known.
    pub tenant: &'a str,
    /// 0 if it is not known.
    pub fetch_micros: u64,
}

impl<'a> Line<'a> {
    /// One of which nothing else is known.
    pub fn new(at: u64, id: &'a str, size: u64) -> Self {
        Line { at, id, size, tenant: "", fetch_micros: 0 }
    }
}

/// What has been read of a trace so far.
pub(super) struct Collector {
    format: TraceFormat,
    trace: Trace,
    numbers: HashMap<Box<str>, u32>,
    tenants: HashMap<Box<str>, u32>,
    /// The last time of a fetch of each image, in microseconds.
    fetch_times: HashMap<u32, u64>,
    /// The size of each image: of its last request, or in a log the most that was sent.
    sizes: Vec<u64>,
    shifted: Seen,
    longest_shift: u64,
    timeless: Seen,
    resized: Seen,
    digested: Seen,
    skipped: Seen,
    /// The last line, if it has no end.
    unended: Option<u64>,
}

impl Collector {
    pub fn new(format: TraceFormat) -> Self {
        Collector {
            format,
            trace: Trace::default(),
            numbers: HashMap::new(),
            tenants: HashMap::new(),
            fetch_times: HashMap::new(),
            sizes: Vec::new(),
            shifted: Seen::default(),
            longest_shift: 0,
            timeless: Seen::default(),
            resized: Seen::default(),
            digested: Seen::default(),
            skipped: Seen::default(),
            unended: None,
        }
    }

    /// Adds the request in this line or record.
    pub fn push(&mut self, number: u64, line: Line<'_>) -> Result<(), TraceError> {
        let Line { at, id, size, tenant, fetch_micros } = line;
        if self.trace.requests.len() >= MAX_REQUESTS {
            return Err(TraceError::TooLong { most: MAX_REQUESTS });
        }
        let image = self.image(number, id)?;
        let ascending = self.trace.requests.last().map_or(at, |before| at.max(before.at + 1));
        if ascending - at > MAX_SHIFT {
            self.shifted.at(number);
            self.longest_shift = self.longest_shift.max(ascending - at);
        }
        let known = &mut self.sizes[image as usize];
        if self.format.is_log() {
            *known = size.max(*known);
        } else {
            if *known != size && *known != u64::MAX {
                self.resized.at(number);
            }
            *known = size;
        }
        let requester = self.requester(number, tenant)?;
        let fetch_micros = self.fetch_micros(image, fetch_micros);
        self.trace.requests.push(Request { at: ascending, size, image, requester, fetch_micros });
        Ok(())
    }

    /// The number of the client of a tenant.
    fn requester(&mut self, number: u64, tenant: &str) -> Result<u32, TraceError> {
        if self.trace.requesters.is_empty() {
            self.trace.requesters.push(Requester::default());
        }
        if tenant.is_empty() {
            return Ok(0);
        }
        if let Some(requester) = self.tenants.get(tenant) {
            return Ok(*requester);
        }
        let requester = u32::try_from(self.trace.requesters.len())
            .map_err(|_| self.malformed(number, "there are too many tenants"))?;
        // As the service does with a tenant of another form.
        let digest = || hex::encode(Sha256::digest(tenant.as_bytes())).parse().ok();
        let named = tenant.parse().ok().or_else(digest);
        self.trace.requesters.push(Requester::of(RequestKind::Client).with_tenant(named));
        self.tenants.insert(tenant.into(), requester);
        Ok(requester)
    }

    /// The time of a fetch: that of the line, or the last one of the image, because a line about a hit has none.
    fn fetch_micros(&mut self, image: u32, fetch_micros: u64) -> u64 {
        if fetch_micros > 0 {
            self.fetch_times.insert(image, fetch_micros);
            return fetch_micros;
        }
        if self.fetch_times.is_empty() {
            return 0;
        }
        self.fetch_times.get(&image).copied().unwrap_or(0)
    }

    /// The time of a line that has none.
    pub fn without_time(&mut self, number: u64) -> u64 {
        if self.format.is_log() {
            self.timeless.at(number);
        }
        let before = self.trace.requests.last().map(|before| before.at + SECOND);
        before.unwrap_or(number.saturating_mul(SECOND))
    }

    /// Notes a line that is no request of an image.
    pub fn skip(&mut self, number: u64) {
        self.skipped.at(number);
    }

    /// Notes that the last line has no end.
    pub fn set_unended(&mut self, number: u64) {
        self.unended = Some(number);
    }

    /// A fault in this line or record.
    pub fn malformed(&self, number: u64, reason: impl Into<String>) -> TraceError {
        TraceError::Malformed { unit: self.format.unit(), number, reason: reason.into() }
    }

    pub fn finish(mut self) -> Result<Trace, TraceError> {
        let unit = self.format.unit();
        let what = format!("{unit}s that are no request of an image that was served");
        let skipped = self.skipped.note(unit, &what, "they are skipped");
        let unknown = if self.format.is_log() { self.remove_unknown_sizes() } else { 0 };
        if self.trace.requests.is_empty() {
            return Err(TraceError::NoRequests { skipped });
        }
        let longest = Duration::from_secs(self.longest_shift / SECOND);
        let shifted = self.shifted.note(
            unit,
            "requests that are earlier than one before them",
            &format!("they are replayed right after it, up to {longest:?} later than their time"),
        );
        let timeless =
            self.timeless.note(unit, "requests without a time", "each is one second after another");
        let resized = self.resized.note(
            unit,
            "requests with another size than the last one of the same image",
            "each is a request of a new version, so a miss",
        );
        let digested = self.digested.note(
            unit,
            "ids that cannot be the id of an image",
            "each is replaced by its SHA-256",
        );
        let unknown = (unknown > 0).then(|| {
            format!("requests of images of which no byte was sent: {unknown}; they are left out")
        });
        let unended = self.unended.map(|number| {
            format!("line {number}, the last one, has no end: the trace may be truncated")
        });
        let notes = [skipped, unknown, shifted, timeless, resized, digested, unended];
        self.trace.notes.extend(notes.into_iter().flatten());
        Ok(self.trace)
    }

    /// Gives each request of a log the size of its image; returns how many were removed because the size is unknown.
    fn remove_unknown_sizes(&mut self) -> usize {
        let (requests, sizes) = (&mut self.trace.requests, &self.sizes);
        let all = requests.len();
        requests.iter_mut().for_each(|request| request.size = sizes[request.image as usize]);
        requests.retain(|request| request.size > 0);
        all - requests.len()
    }

    /// The number of an image.
    fn image(&mut self, number: u64, id: &str) -> Result<u32, TraceError> {
        if let Some(image) = self.numbers.get(id) {
            return Ok(*image);
        }
        let Ok(image_id) = id.parse::<ImageId>() else {
            // The ids of a log are paths, and so are those that the service records.
            if !self.format.is_log() && !id.starts_with('/') {
                self.digested.at(number);
            }
            let digest = hex::encode(Sha256::digest(id.as_bytes()));
            // By its digest too, in case the trace has that as an id.
            let image = self.image(number, &digest)?;
            self.numbers.insert(id.into(), image);
            return Ok(image);
        };
        let image = u32::try_from(self.trace.images.len()).ok().filter(|image| *image < u32::MAX);
        let image = image.ok_or_else(|| self.malformed(number, "there are too many images"))?;
        self.numbers.insert(id.into(), image);
        self.trace.images.push(image_id);
        self.sizes.push(if self.format.is_log() { 0 } else { u64::MAX });
        Ok(image)
    }
}
