//! Fetches of whole images that requests for a part began (`--fetch-on-range`): how many may run at once.

use super::body::{self, Body};
use hyper::Response;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Instrument;

/// The room for such fetches.
#[derive(Debug)]
pub struct BackgroundFetches(Arc<Semaphore>);

/// The right to one such fetch, given back when it ends.
#[derive(Debug)]
pub struct BackgroundFetch(OwnedSemaphorePermit);

impl BackgroundFetches {
    pub fn new(at_once: u32) -> BackgroundFetches {
        BackgroundFetches(Arc::new(Semaphore::new(at_once as usize)))
    }

    /// The right to one more; nothing where as many run as may: then the part comes past the cache.
    pub fn try_begin(&self) -> Option<BackgroundFetch> {
        Arc::clone(&self.0).try_acquire_owned().ok().map(BackgroundFetch)
    }
}

impl BackgroundFetch {
    /// Reads an answer that nobody takes to its end, so that its image is cached. Each wait for its bytes is bounded
    /// as that of any fetch.
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
