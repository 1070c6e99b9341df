//! Decides whether an image may be cached, and creates its file in `incomplete/`.

use crate::cache::CacheInner;
use crate::outcome::{CacheFailure, Outcome};
use crate::space;
use image_cache_model::{AdmissionRequest, Decision, ImageId, Requester};
use image_cache_store::{Incomplete, TakeResult};
use std::io;
use std::sync::Arc;
use std::time::SystemTime;

/// Creates the image's file if the image may be cached; otherwise returns why not.
pub(super) fn admit(
    inner: &CacheInner,
    image_id: &ImageId,
    size: Option<u64>,
    requester: &Requester,
) -> Result<Incomplete, Outcome> {
    let failed = |failure| inner.note_failure(image_id, failure);
    let unwritable = |error: io::Error| failed(CacheFailure::Unwritable(Arc::new(error)));
    let unreadable = |error: io::Error| failed(CacheFailure::Unreadable(Arc::new(error)));
    // The directory is checked first: for a cached image the driver need not be called.
    if inner.directory.cached_file(image_id).map_err(unreadable)?.is_some() {
        return Err(Outcome::AlreadyCached);
    }
    inner.reconcile();
    let request = AdmissionRequest::new(image_id, size, SystemTime::now(), requester);
    let decision = inner.metadata.admit(&request);
    match decision.map_err(|error| failed(CacheFailure::DriverFailed(Arc::new(error))))? {
        Decision::Admit => inner.refusals.forget(image_id),
        Decision::Refuse(reason) => return Err(refused(inner, image_id, reason)),
    }
    match Incomplete::take(&inner.directory, image_id).map_err(unwritable)? {
        TakeResult::Ours(mut file) => match space::reserve(inner, &mut file, size) {
            Ok(()) => Ok(file),
            Err(error) => {
                file.discard();
                Err(unwritable(error))
            }
        },
        TakeResult::AlreadyCached => Err(Outcome::AlreadyCached),
        TakeResult::BeingWritten => Err(Outcome::BeingCached),
    }
}

/// Asks the driver again at the end of a fetch whose size was not known. If it cannot answer, its first answer stands.
pub(super) fn confirm(
    inner: &CacheInner,
    image_id: &ImageId,
    size: u64,
    requester: &Requester,
) -> Result<(), Outcome> {
    if !inner.metadata.asks_twice() {
        return Ok(());
    }
    let (size, now) = (Some(size), SystemTime::now());
    match inner.metadata.admit(&AdmissionRequest::new(image_id, size, now, requester)) {
        Ok(Decision::Admit) => Ok(()),
        Ok(Decision::Refuse(reason)) => Err(refused(inner, image_id, reason)),
        Err(error) => {
            tracing::warn!(image = %image_id, %error, "the image is cached, although the driver was not asked about its size");
            Ok(())
        }
    }
}

fn refused(inner: &CacheInner, image_id: &ImageId, reason: Option<String>) -> Outcome {
    inner.refusals.note(image_id, reason.clone());
    let words = reason.as_deref().unwrap_or("no reason given");
    tracing::info!(image = %image_id, reason = words, "the driver refused the image");
    Outcome::RefusedByDriver(reason)
}
