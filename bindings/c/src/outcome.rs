//! Outcomes of caching an image.

use crate::last_error;
use image_cache::Outcome;

/// The outcome of an attempt to cache an image. Later versions may add outcomes.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutcomeCode {
    /// The end of the image was not reached yet.
    Pending = 0,
    /// The image is cached now.
    Cached = 1,
    /// It was already cached.
    AlreadyCached = 2,
    /// A live writer, in this or another process, is caching it.
    BeingCached = 3,
    /// The driver refuses it; imgcache_message() may have a reason.
    RefusedByDriver = 4,
    /// The cache failed; the bytes of the source were not affected. imgcache_message() has the reason.
    CacheFailed = 5,
}

/// The code of an outcome. The reason, if the image is not cached, becomes the thread's text.
pub(crate) fn outcome_code(outcome: &Outcome) -> OutcomeCode {
    let (code, reason) = match outcome {
        Outcome::Cached(_) => return OutcomeCode::Cached,
        Outcome::AlreadyCached => (OutcomeCode::AlreadyCached, "it was already cached".to_owned()),
        Outcome::BeingCached => {
            (OutcomeCode::BeingCached, "another writer is caching the image".to_owned())
        }
        Outcome::RefusedByDriver(reason) => {
            let reason = reason.as_deref().unwrap_or("it does not say why");
            (OutcomeCode::RefusedByDriver, format!("the driver does not want it: {reason}"))
        }
        Outcome::CacheFailed(failure) => (OutcomeCode::CacheFailed, failure.to_string()),
        _ => (OutcomeCode::CacheFailed, "it is not cached".to_owned()),
    };
    last_error::set_reason(&reason);
    code
}
