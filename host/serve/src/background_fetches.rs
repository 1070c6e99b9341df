//! Fetches of whole images that requests for a part began (`--fetch-on-range`).

use super::body::{self, Body};
use hyper::Response;
use tokio::sync::OwnedSemaphorePermit;
use tracing::Instrument;

/// Reads a response to its end and discards it, so that its image is cached. It has the timeouts of any fetch, and gives
/// the permit back when it has ended.
pub fn drain(permit: OwnedSemaphorePermit, answer: Response<Body>) {
    let drained = async move {
        let _running = permit;
        if let Err(error) = body::drain(answer.into_body()).await {
            tracing::warn!(error, "an image of which a part was wanted was not fetched");
        }
    };
    tokio::spawn(drained.in_current_span());
}
