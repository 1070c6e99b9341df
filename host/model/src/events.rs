//! What a driver's policy is told and asked beyond its records.

use crate::image_id::ImageId;
use crate::records::Hit;
use crate::requester::Requester;
use std::time::{Duration, SystemTime};

/// A question for admission.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct AdmissionRequest<'a> {
    /// The image.
    pub image_id: &'a ImageId,
    /// Its size in bytes, if it is known.
    pub size: Option<u64>,
    /// The time of the request.
    pub now: SystemTime,
    /// Who requests the image.
    pub requester: &'a Requester,
}

impl<'a> AdmissionRequest<'a> {
    /// A question about an image, whose size may be unknown.
    pub fn new(
        image_id: &'a ImageId,
        size: Option<u64>,
        now: SystemTime,
        requester: &'a Requester,
    ) -> AdmissionRequest<'a> {
        AdmissionRequest { image_id, size, now, requester }
    }
}

/// Whether an image may be cached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It may.
    Admit,
    /// It may not, for this reason if the driver names one.
    Refuse(Option<String>),
}

/// Why an image was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RemovalReason {
    /// It was evicted.
    Evicted,
    /// An operator or a program deleted it.
    Deleted,
    /// It was damaged.
    Damaged,
    /// Another program replaced its file.
    Replaced,
    /// Its file was removed by another program, or by another process of the cache.
    Missing,
}

/// What happened to an image.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A read to its end.
    Read {
        /// The image.
        image_id: ImageId,
        /// When its last byte was delivered.
        at: SystemTime,
        /// The number of bytes that were read.
        bytes: u64,
        /// Who read it.
        requester: Requester,
    },
    /// A fetch that ended with the image in the cache.
    Fetched {
        /// The image.
        image_id: ImageId,
        /// When it was published.
        at: SystemTime,
        /// The number of bytes that were read from the source.
        bytes: u64,
        /// How long the fetch took.
        duration: Duration,
        /// Who requested it first.
        requester: Requester,
    },
    /// A fetch that was admitted and ended without the image in the cache.
    NotCached {
        /// The image.
        image_id: ImageId,
        /// When the fetch ended.
        at: SystemTime,
        /// The number of bytes that were read from the source.
        bytes: u64,
        /// Who requested it first.
        requester: Requester,
    },
    /// The removal of an image.
    Removed {
        /// The image.
        image_id: ImageId,
        /// When it was removed.
        at: SystemTime,
        /// Why.
        reason: RemovalReason,
    },
}

impl From<&Hit> for Event {
    fn from(hit: &Hit) -> Event {
        let Hit { image_id, at, bytes, requester } = hit.clone();
        Event::Read { image_id, at, bytes, requester }
    }
}
