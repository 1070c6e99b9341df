//! The profile `glance`: the cache serves the data of images, the Glance API everything else.

mod authorize;
mod decision;
mod legacy_range;
mod paths;
mod record;

pub use record::Record;

use super::body::Body;
use super::cache_control::CacheControl;
use super::cache_lookup::{LookupResult, look_up};
use super::cache_status::{CacheStatus, Reason};
use super::proxy::{self, CacheAnswer, ImageGet, ProxyProfile};
use super::range::Part;
use super::response::upstream_failed;
use super::response_store::ResponseStore;
use super::serve_hit::serve_hit;
use super::serve_inflight::serve_in_flight;
use super::service::Service;
use super::stored_response::{CONTENT_MD5, StoredResponse};
use super::upstream::{IsFramed, UpstreamError};
use super::{response, stored_fields};
use decision::AuthDecision;
use hyper::body::{Body as _, Incoming};
use hyper::header::HeaderMap;
use hyper::{Method, Request, Response, StatusCode, header};
use image_cache::{Checksum, ChecksumAlgorithm, ImageCache};
use paths::{image, withdrawn};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Responds to a client's request.
pub async fn respond(service: &Arc<Service>, request: Request<Body>) -> Response<Body> {
    let has_body = !request.body().is_end_stream();
    match image(request.uri().path()).map(str::to_owned) {
        Some(id) if request.method() == Method::GET && !has_body => {
            let (head, _) = request.into_parts();
            if head.uri.query().is_some() {
                return service.bypass(Reason::Path, head).await;
            }
            let target = head.uri.path().to_owned();
            let get = ImageGet::new(service, legacy_range::as_range(head), &id, &target);
            proxy::serve(GlanceProfile::new(get)).await
        }
        _ => pass(service, request).await,
    }
}

/// Forwards a request to Glance, and evicts the image that the request has withdrawn.
async fn pass(service: &Service, request: Request<Body>) -> Response<Body> {
    let withdrawn = withdrawn(request.method(), request.uri().path());
    let response = service.pass(request).await;
    let has_changed = response.status().is_success() || response.status().is_redirection();
    if let Some(id) = withdrawn.filter(|_| has_changed) {
        service.evict(&id).await;
        service.auth_cache.clear();
    }
    CacheStatus::Bypass(Reason::Method).mark(response)
}

/// A request for an image's data.
struct GlanceProfile {
    get: ImageGet,
    /// Glance's record of the image, if the service has requested it.
    record: Option<Arc<Record>>,
    /// Whether Glance has authorised this download.
    is_authorized: bool,
    /// Why Glance did not respond: a cached image may be served stale.
    unreachable: Option<UpstreamError>,
}

impl ProxyProfile for GlanceProfile {
    const PART_NOT_FETCHED: Reason = Reason::Partial;
    const RESPONDS_WITH_WHOLE: bool = false;

    fn get(&self) -> &ImageGet {
        &self.get
    }

    fn get_mut(&mut self) -> &mut ImageGet {
        &mut self.get
    }

    async fn authorize(&mut self) -> Option<Response<Body>> {
        match self.decide().await {
            AuthDecision::Denied(response) => Some(response),
            AuthDecision::Unreachable(error) => {
                let failed = upstream_failed(&error);
                self.unreachable = Some(error);
                Some(self.hit(None).await.unwrap_or(failed))
            }
            AuthDecision::Allowed(record) => {
                self.record = record;
                None
            }
        }
    }

    async fn accept_hit(&mut self) -> CacheAnswer {
        if self.record.is_none()
            && let Some(response) = self.hit(None).await
        {
            return CacheAnswer::Respond(response);
        }
        if !self.recheck(None).await {
            return CacheAnswer::Ask(None);
        }
        let mut response = self.denied_download().await;
        if response.is_none() {
            response = self.hit(self.record.as_deref()).await;
        }
        if response.is_none() {
            response = self.serve_running().await;
        }
        // Another request to Glance would take as long.
        if response.is_none() {
            response = self.unreachable.as_ref().map(upstream_failed);
        }
        response.map_or(CacheAnswer::Ask(None), CacheAnswer::Respond)
    }

    fn may_fetch(&self) -> bool {
        self.get.is_whole() || self.get.service.options.fetch_on_range
    }

    /// Whether the image of Glance's record is cached or being fetched. Evicts another one.
    async fn recheck(&mut self, _seen: Option<&StoredResponse>) -> bool {
        let ImageGet { service, request, .. } = &self.get;
        if service.is_being_fetched(&request.id) {
            return true;
        }
        let size = service.run(&request.id, |_, cache, id| cache.image_size(id)).await;
        let Ok(Some(size)) = size else { return false };
        let known = self.record.as_ref().and_then(|record| record.size);
        let is_other = known.is_some_and(|known| known != size);
        if is_other {
            service.evict(&request.id).await;
        }
        !is_other
    }

    /// Glance does not state whether its responses may be shared, but a proxy in front of it may.
    fn check_storable(&self, response: &Response<Incoming>) -> Result<(), Reason> {
        let length = response.body().size_hint().exact();
        let promised = self.record.as_ref().and_then(|record| record.size);
        let lies = matches!((length, promised), (Some(sent), Some(promised)) if sent != promised);
        if lies {
            tracing::warn!(image = %self.get.request.id, ?length, ?promised, "the length of the upstream's response differs from its record; the image is not cached");
        }
        let headers = response.headers();
        let control = CacheControl::of(headers);
        if response.status() != StatusCode::OK {
            return Err(Reason::Status);
        }
        let authorises = self.get.service.options.authorises();
        if control.forbids_sharing() || (control.no_cache && !authorises) {
            return Err(Reason::Forbidden);
        }
        let is_encoded = stored_fields::are_encoded(headers);
        let is_framed = response.extensions().get() == Some(&IsFramed(true));
        if is_encoded || !(is_framed || promised.is_some()) {
            return Err(Reason::NotStorable);
        }
        match stored_fields::are_storable(headers) {
            false => Err(Reason::TooManyFields),
            true if lies => Err(Reason::NotStorable),
            true => Ok(()),
        }
    }

    fn describe_miss(&self, response: &Response<Incoming>) -> StoredResponse {
        let record = self.record.as_deref();
        let length = response.body().size_hint().exact();
        let size = length.or(record.and_then(|record| record.size));
        let said = response.headers().get(CONTENT_MD5).and_then(|md5| md5.to_str().ok());
        let md5 = record.and_then(Record::checksum).or(said);
        let md5 = md5.and_then(|md5| Checksum::new(ChecksumAlgorithm::Md5, md5).ok());
        let md5 = md5.map(|md5| md5.to_string());
        self.stored_response(response.headers(), size, md5, record)
    }

    /// Adds the header fields that a hit has.
    fn complete_head(&self, head: &mut Response<()>, stored: &StoredResponse) {
        let ours = response::head(stored, stored.size.unwrap_or_default(), &Part::All);
        for (name, value) in ours.headers() {
            head.headers_mut().entry(name).or_insert_with(|| value.clone());
        }
        if stored.size.is_none() {
            head.headers_mut().remove(header::CONTENT_LENGTH);
        }
    }

    fn note_authorized(&mut self) {
        self.is_authorized = true;
    }
}

impl GlanceProfile {
    fn new(get: ImageGet) -> GlanceProfile {
        GlanceProfile { get, record: None, is_authorized: false, unreachable: None }
    }

    /// The cached image, if it is the one of this record.
    async fn hit(&self, record: Option<&Record>) -> Option<Response<Body>> {
        let ImageGet { service, request, .. } = &self.get;
        let (known, is_unreachable) = (record.cloned(), self.unreachable.is_some());
        let is_usable = move |stored: &StoredResponse| {
            let control = stored.cache_control();
            // Glance sends no directives, but a proxy in front of it may.
            let is_stale = || !stored.is_fresh(SystemTime::now(), Duration::ZERO);
            let must_ask =
                control.forbids_stale() && (is_unreachable || known.is_none()) && is_stale();
            match &known {
                Some(record) => record.matches(stored) && !control.forbids_sharing() && !must_ask,
                None => !stored.is_outdated() && !must_ask,
            }
        };
        match look_up(&self.get, is_usable).await {
            LookupResult::Hit(hit) => Some(serve_hit(&self.get, hit, CacheStatus::Hit)),
            LookupResult::NotFound => None,
            LookupResult::Unusable(_) if self.unreachable.is_some() => None,
            LookupResult::Unusable(stored) if record.is_none() => {
                Box::pin(self.confirm_by_record(&stored)).await
            }
            LookupResult::Unusable(stored) => {
                service.evict_response(&request.id, &stored).await;
                None
            }
        }
    }

    /// Compares an image with Glance's record of it: an earlier version stored it, or it must not be served stale.
    async fn confirm_by_record(&self, stored: &Arc<StoredResponse>) -> Option<Response<Body>> {
        let record = match self.fetch_record().await {
            AuthDecision::Denied(response) => return Some(response),
            AuthDecision::Unreachable(error) => return Some(upstream_failed(&error)),
            AuthDecision::Allowed(record) => record?,
        };
        if record.matches(stored) {
            let mut confirmed = StoredResponse::clone(stored);
            confirmed.confirm(&HeaderMap::new());
            let ImageGet { service, request, .. } = &self.get;
            let epoch = request.epoch;
            let store = move |responses: &ResponseStore, _: &ImageCache, id: &str| {
                Ok(responses.store_if_unchanged(id, confirmed, epoch))
            };
            // It fails only if the runtime stops.
            let _ = service.run(&request.id, store).await;
        }
        self.hit(Some(&record)).await
    }

    /// Responds from a running fetch, if that fetches the image of Glance's record.
    async fn serve_running(&self) -> Option<Response<Body>> {
        let record = self.record.as_deref();
        let running = self.get.service.responses.shareable_fetch(&self.get.request.id);
        let of_record = |record: &Record| {
            let md5 = record.checksum().map(str::to_owned);
            Arc::new(self.stored_response(&HeaderMap::new(), record.size, md5, Some(record)))
        };
        let stored = running.or_else(|| record.map(of_record))?;
        if record.is_some_and(|record| !record.matches(&stored)) {
            return None;
        }
        serve_in_flight(&self.get, stored).await
    }

    fn stored_response(
        &self,
        headers: &HeaderMap,
        size: Option<u64>,
        md5: Option<String>,
        record: Option<&Record>,
    ) -> StoredResponse {
        let upstream = self.get.service.upstream.base.as_str();
        let mut stored = StoredResponse::new(upstream, headers, size, md5);
        stored.os_hash = record.and_then(Record::os_hash);
        stored.add_glance_fields();
        stored
    }
}
