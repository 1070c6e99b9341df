//! What the service asks the upstream for on behalf of its clients.

use super::response_store::InvalidationEpoch;
use hyper::header::HeaderMap;

/// A request for an image; several requests to the upstream can be made from it.
#[derive(Debug, Clone)]
pub struct UpstreamRequest {
    /// The image in the cache.
    pub id: String,
    /// The image at the upstream: path and query.
    pub target: String,
    /// What it carries of the caller's header fields.
    pub headers: HeaderMap,
    /// The invalidations that were known before it was sent.
    pub epoch: InvalidationEpoch,
}
