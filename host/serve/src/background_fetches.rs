//! Fetches of whole images that requests for a part began (`--fetch-on-range`): how many may run at once.

use super::body::{self, Body};
use hyper::Response;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Instrument;

/// Limits how many such fetches run.
#[derive(Debug)]
pub struct BackgroundFetches(Arc<Semaphore>);

/// The permit for one such fetch; dropped, it is given back.
#[derive(Debug)]
pub struct BackgroundFetch(OwnedSemaphorePermit);

impl BackgroundFetches {
    pub fn new(at_once: u32) -> BackgroundFetches {
        BackgroundFetches(Arc::new(Semaphore::new(at_once as usize)))
    }

    /// A permit for one more; nothing if the limit is reached: then the part comes past the cache.
    pub fn try_begin(&self) -> Option<BackgroundFetch> {
        Arc::clone(&self.0).try_acquire_owned().ok().map(BackgroundFetch)
    }
}

impl BackgroundFetch {
    /// Reads a response to its end and discards it, so that its image is cached. It has the timeouts of any fetch.
    pub fn drain(self, answer: Response<Body>) {
        let drained = async move {
            let _running = self.0;
            if let Err(error) = body::drain(answer.into_body()).await {
                tracing::warn!(error, "an image of which a part was wanted was not fetched");
            }
        };
        tokio::spawn(drained.in_current_span());
    }
}
