//! A client's GET or HEAD of an image.

use crate::body::Body;
use crate::cache_status::Reason;
use crate::range::Asked;
use crate::requester::requester;
use crate::service::Service;
use crate::upstream_request::UpstreamRequest;
use hyper::Response;
use hyper::http::request::Parts;
use image_cache::Requester;
use image_cache::tokio::AsyncImageCache;
use std::sync::Arc;

/// A client's GET or HEAD of an image.
pub struct ImageGet {
    pub service: Arc<Service>,
    pub head: Parts,
    /// The request to the upstream for this client.
    pub request: UpstreamRequest,
    /// For whom the image is read or fetched.
    requester: Requester,
}

impl ImageGet {
    pub fn new(service: &Arc<Service>, head: Parts, id: &str, target: &str) -> ImageGet {
        let request = UpstreamRequest {
            id: id.to_owned(),
            target: target.to_owned(),
            headers: service.fields.for_shared_fetch(&head.headers),
            epoch: service.responses.epoch(),
        };
        let requester = requester(&head, &service.options);
        ImageGet { service: Arc::clone(service), head, request, requester }
    }

    /// The cache, for this request's reads and fetches.
    pub fn cache(&self) -> AsyncImageCache {
        self.service.cache.on_behalf_of(self.requester.clone())
    }

    /// Whether the client wants the whole image.
    pub fn is_whole(&self) -> bool {
        Asked::of(&self.head.headers, None) == Asked::All
    }

    /// From now on, responses of the upstream prove that they are later than all invalidations so far.
    pub fn renew_epoch(&mut self) {
        self.request.epoch = self.service.responses.epoch();
    }

    /// Forwards the request to the upstream and bypasses the cache.
    pub async fn bypass(&self, reason: Reason) -> Response<Body> {
        self.service.bypass(reason, self.head.clone()).await
    }
}
