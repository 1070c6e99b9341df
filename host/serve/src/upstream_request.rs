//! A request that the service sends to the upstream for its clients.

use super::response_store::InvalidationEpoch;
use hyper::header::HeaderMap;

/// A request for an image; several requests to the upstream can be made from it.
#[derive(Debug, Clone)]
pub struct UpstreamRequest {
    /// The image's id in the cache.
    pub id: String,
    /// The image's path and query at the upstream.
    pub target: String,
    /// The client's header fields that it forwards.
    pub headers: HeaderMap,
    /// The invalidations that were known before it was sent.
    pub epoch: InvalidationEpoch,
}
