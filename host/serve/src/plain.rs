//! The profile `plain`: the cache serves any GET below the upstream's URL if HTTP's rules for shared caches
//! allow that (RFC 9111).

pub(crate) mod credentials_in_query;
mod invalidation;
mod revalidation;
mod rules;

pub use credentials_in_query::KnownCredentials;

use super::body::Body;
use super::cache_control::CacheControl;
use super::cache_lookup::{CacheLookup, LookupResult, look_up};
use super::cache_status::{CacheStatus, Reason};
use super::content_md5::md5_of;
use super::plain_id;
use super::proxy::{self, CacheAnswer, ImageGet, ProxyProfile};
use super::response::{refuse, upstream_failed};
use super::response_store::FetchLock;
use super::serve_hit::serve_hit;
use super::serve_inflight::serve_in_flight;
use super::service::{self, Service};
use super::stored_response::{CONTENT_MD5, StoredResponse};
use hyper::body::{Body as _, Incoming};
use hyper::header::HeaderMap;
use hyper::{Method, Request, Response, StatusCode, header};
use std::sync::Arc;

/// Responds to a client's request.
pub async fn respond(service: &Arc<Service>, request: Request<Body>) -> Response<Body> {
    let is_read = [Method::GET, Method::HEAD].contains(request.method());
    if !is_read || !request.body().is_end_stream() {
        return invalidation::pass(service, request).await;
    }
    let target = service::target(&request).to_owned();
    let (head, _) = request.into_parts();
    let id = match service.credentials.id(&target) {
        Some(hidden) if service.options.sharing.cache_credential_queries => Some(hidden),
        Some(_) => return service.bypass(Reason::CredentialInQuery, head).await,
        None => plain_id::of_target(&target),
    };
    if let Some(reason) = rules::bypass(&head.headers, &service.fields) {
        return service.bypass(reason, head).await;
    }
    let Some(id) = id else { return service.bypass(Reason::Path, head).await };
    let directives = CacheControl::of(&head.headers);
    let get = ImageGet::new(service, head, &id, &target);
    let authorises = service.fields.authorises;
    proxy::serve(PlainProfile { get, directives, authorises, shared: None }).await
}

/// A request for an image of a plain upstream.
struct PlainProfile {
    get: ImageGet,
    /// The directives in the client's Cache-Control.
    directives: CacheControl,
    /// Whether the upstream must authorise each use.
    authorises: bool,
    /// The response that another request shared while this one waited: it is fresh.
    shared: Option<Arc<StoredResponse>>,
}

impl ProxyProfile for PlainProfile {
    const PART_NOT_FETCHED: Reason = Reason::CacheFailed;
    const RESPONDS_WITH_WHOLE: bool = true;

    fn get(&self) -> &ImageGet {
        &self.get
    }

    fn get_mut(&mut self) -> &mut ImageGet {
        &mut self.get
    }

    /// The service asks the upstream about the image itself, after the lookup.
    async fn authorize(&mut self) -> Option<Response<Body>> {
        None
    }

    async fn accept_hit(&mut self) -> CacheAnswer {
        let stale = match self.look_up_fresh().await {
            LookupResult::Hit(hit) => {
                return CacheAnswer::Respond(serve_hit(&self.get, hit, CacheStatus::Hit));
            }
            LookupResult::Unusable(stored) => Some(stored),
            LookupResult::NotFound => None,
        };
        let responses = &self.get.service.responses;
        let running = responses.shareable_fetch(&self.get.request.id);
        let known = stale.as_deref().or(running.as_deref());
        if known.is_some_and(|stored| !self.is_variant(stored.headers())) {
            return CacheAnswer::Respond(self.get.bypass(Reason::Vary).await);
        }
        if stale.is_none()
            && let Some(response) = self.serve_running(running).await
        {
            return CacheAnswer::Respond(response);
        }
        if self.directives.only_if_cached {
            let words = "it is not cached, or must be revalidated\n";
            return CacheAnswer::Respond(refuse(StatusCode::GATEWAY_TIMEOUT, words));
        }
        let variance = responses.variance(&self.get.request.id);
        if stale.is_none() && variance.is_some_and(|fields| !self.is_variant(&fields)) {
            return CacheAnswer::Respond(self.get.bypass(Reason::Vary).await);
        }
        CacheAnswer::Ask(stale)
    }

    fn may_fetch(&self) -> bool {
        let may_fetch = self.get.is_whole() || self.get.service.options.fetch_on_range;
        self.get.head.method == Method::GET && may_fetch && !self.is_conditional()
    }

    async fn recheck(&mut self, seen: Option<&StoredResponse>) -> bool {
        let ImageGet { service, request, .. } = &self.get;
        if service.is_being_fetched(&request.id) {
            return true;
        }
        let seen = seen.map(|stored| (stored.begun, stored.confirmed));
        let lookup = CacheLookup::new(&self.get, true);
        let looked_up = service.run(&request.id, move |responses, cache, id| {
            let found = lookup.run(cache, |_| true)?;
            if matches!(found, LookupResult::NotFound) {
                responses.delete_without_response(id)?;
            }
            let LookupResult::Hit(hit) = found else { return Ok(seen.is_some()) };
            Ok(seen != Some((hit.stored.begun, hit.stored.confirmed)))
        });
        looked_up.await.unwrap_or(false)
    }

    fn shares_revalidation(&self) -> bool {
        !self.authorises && self.may_fetch()
    }

    async fn revalidate(
        &mut self,
        stored: &Arc<StoredResponse>,
        lock: Option<FetchLock>,
    ) -> Option<Response<Body>> {
        self.validate(stored, lock).await
    }

    /// Whether the operator allows it, and neither the stored response nor the client forbids it.
    fn may_serve_stale(&self, stored: &StoredResponse) -> bool {
        let is_known = !stored.is_invalid && !stored.is_outdated();
        let is_allowed = self.get.service.options.serve_stale_if_unreachable;
        let is_forbidden =
            stored.cache_control().forbids_stale() || rules::requires_validation(&self.directives);
        is_allowed && is_known && !is_forbidden
    }

    async fn serve_if_current(
        &self,
        stored: &Arc<StoredResponse>,
        status: CacheStatus,
    ) -> Option<Response<Body>> {
        let (modified, headers) = (stored.modified, self.get.head.headers.clone());
        let is_usable = move |stored: &StoredResponse| {
            // The upstream's confirmation may have added a Vary.
            stored.modified == modified && rules::is_variant_for(stored.headers(), &headers)
        };
        match look_up(&self.get, is_usable).await {
            LookupResult::Hit(hit) => Some(serve_hit(&self.get, hit, status)),
            LookupResult::Unusable(_) | LookupResult::NotFound => None,
        }
    }

    fn check_storable(&self, response: &Response<Incoming>) -> Result<(), Reason> {
        let storable = rules::storable(response, &self.get.service.fields);
        if let Err(reason @ (Reason::NoStrongValidator | Reason::TooManyFields)) = storable {
            tracing::warn!(image = %self.get.request.id, reason = reason.word(), "the image is not cached");
        }
        storable
    }

    fn is_variant(&self, headers: &HeaderMap) -> bool {
        rules::is_variant_for(headers, &self.get.head.headers)
    }

    fn describe_miss(&self, response: &Response<Incoming>) -> StoredResponse {
        let size = response.body().size_hint().exact();
        let md5 = response.headers().get(CONTENT_MD5).and_then(md5_of);
        let upstream = self.get.service.upstream.base.as_str();
        StoredResponse::new(upstream, response.headers(), size, md5)
    }

    fn note_shared(&mut self, stored: Arc<StoredResponse>) {
        self.shared = Some(stored);
    }
}

impl PlainProfile {
    fn is_conditional(&self) -> bool {
        let conditions = [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE];
        conditions.iter().any(|name| self.get.head.headers.contains_key(name))
    }

    async fn look_up_fresh(&self) -> LookupResult {
        let (service, directives) = (Arc::clone(&self.get.service), self.directives.clone());
        let (authorises, shared) = (self.authorises, self.shared.clone());
        let headers = self.get.head.headers.clone();
        look_up(&self.get, move |stored| {
            let is_shared =
                shared.is_some_and(|shared| shared.begun == stored.begun && !stored.is_invalid);
            let is_fresh = !authorises && (is_shared || rules::accepts(&directives, stored));
            is_fresh
                && service.upstream.base.is(&stored.upstream)
                && rules::is_variant_for(stored.headers(), &headers)
        })
        .await
    }

    /// Responds from a running fetch. A request that waited for the header of that response may share the fetch; a later one
    /// may share it if the response is fresh, or if the upstream confirms it for this client.
    async fn serve_running(&self, running: Option<Arc<StoredResponse>>) -> Option<Response<Body>> {
        let stored = running.filter(|_| self.get.head.method == Method::GET)?;
        let is_shared = self.shared.as_ref().is_some_and(|shared| shared.begun == stored.begun);
        let is_shared = is_shared && !stored.is_invalid;
        if self.authorises || !(is_shared || rules::accepts(&self.directives, &stored)) {
            let conditions = rules::conditions(&stored, self.authorises);
            if conditions.is_empty() || self.directives.only_if_cached {
                return None;
            }
            match self.ask_if(conditions).await {
                Ok(response) if response.status() == StatusCode::NOT_MODIFIED => {
                    if !stored.is_compatible_with(response.headers()) {
                        return Some(self.get.bypass(Reason::NotAuthorised).await);
                    }
                }
                // The upstream ignores conditions, and this response proves by itself that it has these bytes.
                Ok(response)
                    if response.status() == StatusCode::OK
                        && stored.matches(response.headers()) => {}
                Ok(response) => return Some(self.pass(Reason::NotAuthorised, response)),
                Err(error) => return Some(upstream_failed(&error)),
            }
        }
        let response = serve_in_flight(&self.get, Arc::clone(&stored)).await;
        // Another image may have replaced it during the request to the upstream.
        response.filter(|_| self.get.service.responses.is_current(&self.get.request.id, &stored))
    }
}
