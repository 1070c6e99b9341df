//! A client's GET or HEAD of an image.

use crate::body::Body;
use crate::cache_status::{CacheStatus, Reason};
use crate::range::Asked;
use crate::service::Service;
use crate::stored_response::StoredResponse;
use crate::upstream_request::UpstreamRequest;
use crate::{cache_lookup, serve_hit, serve_inflight};
use cache_lookup::CacheHit;
use hyper::Response;
use hyper::http::request::Parts;
use std::sync::Arc;

/// A client's GET or HEAD of an image.
pub struct ImageGet {
    pub service: Arc<Service>,
    pub head: Parts,
    /// What the upstream is asked on its behalf.
    pub request: UpstreamRequest,
}

impl ImageGet {
    pub fn new(service: &Arc<Service>, head: Parts, id: &str, target: &str) -> ImageGet {
        let headers = service.fields.for_shared_fetch(&head.headers);
        let request = UpstreamRequest::new(id, target, headers);
        ImageGet { service: Arc::clone(service), head, request }
    }

    /// Whether the client wants the whole image.
    pub fn is_whole(&self) -> bool {
        Asked::of(&self.head.headers, None) == Asked::All
    }

    /// From now on, responses of the upstream prove that they are later than all invalidations so far.
    pub fn renew_epoch(&mut self) {
        self.request.epoch = self.service.responses.epoch();
    }

    /// Passes the request to the upstream, past the cache.
    pub async fn bypass(&self, reason: Reason) -> Response<Body> {
        self.service.bypass(reason, self.head.clone()).await
    }

    /// Responds with a cached image.
    pub fn respond_with(&self, hit: CacheHit, status: CacheStatus) -> Response<Body> {
        serve_hit::serve_hit(&self.service, status, hit, &self.request, &self.head.headers)
    }

    /// Responds from a running fetch.
    pub async fn respond_from_fetch(&self, stored: Arc<StoredResponse>) -> Option<Response<Body>> {
        let headers = &self.head.headers;
        serve_inflight::serve_in_flight(&self.service, &self.request, headers, stored).await
    }
}
