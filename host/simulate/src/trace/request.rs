//! A trace in memory: its requests and its images.

use super::format::TraceFormat;
use image_cache_model::ImageId;

/// One request of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// When, in microseconds; later than the request before.
    pub at: u64,
    /// The size of the image, in bytes.
    pub size: u64,
    /// The number of the image: its index in [`Trace::images`].
    pub image: u32,
}

/// Requests in the order of their times, which are strictly ascending.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    /// The requests.
    pub requests: Vec<Request>,
    /// The ids of the images.
    pub images: Vec<ImageId>,
    /// The format in which it was read.
    pub format: Option<TraceFormat>,
    /// What was unusual in the trace, and how it was read: a sentence each, for a person.
    pub notes: Vec<String>,
}
