//! A trace in memory: its requests and its images.

use super::format::TraceFormat;
use image_cache_model::{ImageId, Requester};

/// One request of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// When, in microseconds; later than the request before.
    pub at: u64,
    /// The size of the image, in bytes.
    pub size: u64,
    /// The number of the image: its index in [`Trace::images`].
    pub image: u32,
    /// Who requests it: an index in [`Trace::requesters`].
    pub requester: u32,
    /// How long a fetch of the image takes, in microseconds; 0 if the trace does not tell.
    pub fetch_micros: u64,
}

/// Requests in the order of their times, which are strictly ascending.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    /// The requests.
    pub requests: Vec<Request>,
    /// The ids of the images.
    pub images: Vec<ImageId>,
    /// Clients: the first one has no tenant, and the others have those of the trace.
    pub requesters: Vec<Requester>,
    /// The format in which it was read.
    pub format: Option<TraceFormat>,
    /// What was unusual in the trace, and how it was read: a sentence each, for a person.
    pub notes: Vec<String>,
}
