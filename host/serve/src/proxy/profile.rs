//! The differences between the profiles.

use super::image_get::ImageGet;
use crate::body::Body;
use crate::cache_status::{CacheStatus, Reason};
use crate::response_store::FetchLock;
use crate::stored_response::StoredResponse;
use hyper::Response;
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use std::sync::Arc;

/// What the cache and running fetches have for a request.
pub enum CacheAnswer {
    Respond(Response<Body>),
    /// The service must ask the upstream: to revalidate this image, or for one that is not cached.
    Ask(Option<Arc<StoredResponse>>),
}

/// The rules of a profile, for one request.
pub trait ProxyProfile {
    /// Why a request for a part bypasses the cache if the whole image is not fetched.
    const PART_NOT_FETCHED: Reason;

    /// Whether a request for a part may be answered from a response for the whole image that is not a fetch.
    const RESPONDS_WITH_WHOLE: bool;

    fn get(&self) -> &ImageGet;

    fn get_mut(&mut self) -> &mut ImageGet;

    /// Authorises the client, if the profile does this before the lookup; a response ends the request.
    async fn authorize(&mut self) -> Option<Response<Body>>;

    /// Responds from the cache or from a running fetch, if the client may have it. A profile that never asks
    /// for a revalidation needs no rule for stale images.
    async fn accept_hit(&mut self) -> CacheAnswer;

    /// Whether the service may fetch the whole image for this request, so that other requests can share it.
    fn may_fetch(&self) -> bool;

    /// Looks up again, and removes an image that can never be used. Returns whether there is something for `accept_hit`: a
    /// running fetch, or a later image or confirmation than `seen`.
    async fn recheck(&mut self, seen: Option<&StoredResponse>) -> bool;

    /// Whether the upstream's confirmation of a stale image counts for all waiting requests.
    fn shares_revalidation(&self) -> bool {
        true
    }

    /// Asks the upstream about a stale image, and releases the lock; `None` if the image must be looked up again.
    async fn revalidate(
        &mut self,
        _stored: &Arc<StoredResponse>,
        _lock: Option<FetchLock>,
    ) -> Option<Response<Body>> {
        None
    }

    /// Whether this image may be served while the upstream is unreachable.
    fn may_serve_stale(&self, _stored: &StoredResponse) -> bool {
        false
    }

    /// Responds with the cached image if this is still its stored response.
    async fn serve_if_current(
        &self,
        _stored: &Arc<StoredResponse>,
        _status: CacheStatus,
    ) -> Option<Response<Body>> {
        None
    }

    /// Whether a response may be stored for other clients; the reason if not.
    fn check_storable(&self, response: &Response<Incoming>) -> Result<(), Reason>;

    /// Whether a response with these fields fits this request.
    fn is_variant(&self, _headers: &HeaderMap) -> bool {
        true
    }

    /// Describes the image of a response that may be stored.
    fn describe_miss(&self, response: &Response<Incoming>) -> StoredResponse;

    /// Adds the profile's header fields to a response that is stored.
    fn complete_head(&self, _head: &mut Response<()>, _stored: &StoredResponse) {}

    /// Notes that another request has shared this response, which is fresh.
    fn note_shared(&mut self, _stored: Arc<StoredResponse>) {}

    /// Notes that the upstream has just authorised the client.
    fn note_authorized(&mut self) {}
}
