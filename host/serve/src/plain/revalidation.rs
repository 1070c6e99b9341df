//! Revalidation: whether a stored image is still the upstream's (RFC 9111, 4.3).

use super::{PlainProfile, rules};
use crate::body::Body;
use crate::cache_status::{CacheStatus, Reason};
use crate::proxy::{ImageGet, ProxyProfile, store_and_serve};
use crate::response::{bypassed, upstream_failed};
use crate::response_store::{FetchLock, FetchOutcome, release};
use crate::stored_response::StoredResponse;
use crate::upstream::UpstreamError;
use crate::{body, stored_fields};
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::{Method, Request, Response, StatusCode, header};
use std::sync::Arc;

impl PlainProfile {
    /// Asks the upstream about a stored image, and releases the lock; `None` if the image must be looked up again.
    pub(super) async fn validate(
        &self,
        stored: &Arc<StoredResponse>,
        lock: Option<FetchLock>,
    ) -> Option<Response<Body>> {
        let conditions = rules::conditions(stored, self.authorises);
        let is_forbidden = stored.is_outdated()
            && rules::sharing(stored.headers(), &self.get.service.fields).is_err();
        if is_forbidden
            || conditions.is_empty()
            || !self.get.service.upstream.base.is(&stored.upstream)
        {
            self.get.service.evict_response(&self.get.request.id, stored).await;
            return None;
        }
        let response = match self.ask_if(conditions).await {
            Ok(response) => response,
            Err(error) if self.may_serve_stale(stored) => {
                release(lock, FetchOutcome::Failed(error));
                return self.serve_if_current(stored, CacheStatus::Hit).await;
            }
            Err(error) => {
                release(lock, FetchOutcome::Failed(error.clone()));
                return Some(upstream_failed(&error));
            }
        };
        match response.status() {
            StatusCode::NOT_MODIFIED => self.on_confirmed(stored, response.headers(), lock).await,
            StatusCode::OK if self.get.head.method == Method::HEAD => {
                self.on_described(stored, response).await
            }
            StatusCode::OK if self.may_fetch() => self.on_changed(stored, response, lock).await,
            _ => {
                release(lock, FetchOutcome::NotShared);
                self.on_withdrawn(stored, response).await
            }
        }
    }

    /// The upstream has confirmed the image (304).
    async fn on_confirmed(
        &self,
        stored: &Arc<StoredResponse>,
        headers: &HeaderMap,
        lock: Option<FetchLock>,
    ) -> Option<Response<Body>> {
        if !stored.is_compatible_with(headers) {
            tracing::warn!(image = %self.get.request.id, "the upstream confirms another image than the stored one; it is fetched again");
            self.get.service.evict_response(&self.get.request.id, stored).await;
            return None;
        }
        // An earlier version may not have stored the upstream's directives about sharing.
        let is_silent = stored.is_outdated()
            && stored.header(&header::CACHE_CONTROL).is_some()
            && !headers.contains_key(header::CACHE_CONTROL);
        let stored = self.confirm(stored, headers).await?;
        if is_silent {
            self.get.service.evict_response(&self.get.request.id, &stored).await;
            return None;
        }
        let control = stored.cache_control();
        if !control.no_cache && !control.no_store {
            release(lock, FetchOutcome::Shared(Arc::clone(&stored)));
        } else {
            release(lock, FetchOutcome::NotShared);
        }
        self.serve_if_current(&stored, CacheStatus::Revalidated).await
    }

    /// Whether updated fields forbid keeping the image. `no-store` in a 304 is only about the 304: each use is revalidated.
    fn must_not_be_stored(&self, stored: &StoredResponse) -> bool {
        let headers = stored.headers();
        let varies = rules::sharing(headers, &self.get.service.fields)
            .is_err_and(|reason| reason != Reason::Forbidden);
        varies || stored.cache_control().private || !stored_fields::are_storable(headers)
    }

    /// The upstream has another image, and sends it.
    async fn on_changed(
        &self,
        stored: &Arc<StoredResponse>,
        response: Response<Incoming>,
        lock: Option<FetchLock>,
    ) -> Option<Response<Body>> {
        match rules::storable(&response, &self.get.service.fields) {
            Ok(()) => {
                self.get.service.evict_response(&self.get.request.id, stored).await;
                Some(store_and_serve(self, response, lock, CacheStatus::Changed).await)
            }
            Err(reason) => {
                release(lock, FetchOutcome::NotShared);
                // The response for one user shows nothing about other users.
                if !self.authorises {
                    self.get.service.evict_response(&self.get.request.id, stored).await;
                }
                Some(self.pass(reason, response))
            }
        }
    }

    /// The upstream describes the image in a response to HEAD (RFC 9111, 4.3.5).
    async fn on_described(
        &self,
        stored: &Arc<StoredResponse>,
        response: Response<Incoming>,
    ) -> Option<Response<Body>> {
        let headers = response.headers();
        let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        let is_other =
            matches!((length, stored.size), (Some(said), Some(size)) if said != size.to_string());
        if stored.matches(headers) && !is_other {
            self.confirm(stored, headers).await;
        } else if !self.authorises && (is_other || !stored.is_compatible_with(headers)) {
            self.get.service.invalidate(&self.get.request.id).await;
        }
        Some(self.pass(Reason::Partial, response))
    }

    /// The upstream has removed the image, refuses it to this client, or sends a part of another one.
    async fn on_withdrawn(
        &self,
        stored: &Arc<StoredResponse>,
        response: Response<Incoming>,
    ) -> Option<Response<Body>> {
        let status = response.status();
        let is_gone = [StatusCode::NOT_FOUND, StatusCode::GONE].contains(&status);
        let is_changed = [StatusCode::OK, StatusCode::PARTIAL_CONTENT].contains(&status);
        // A server may send 404 to a user who may not see the image.
        let is_for_all = !self.authorises
            && rules::sharing(response.headers(), &self.get.service.fields).is_ok();
        if is_changed && stored.matches(response.headers()) {
            // The upstream ignores conditions: it is still the same image.
            let stored = self.confirm(stored, response.headers()).await?;
            return self.serve_if_current(&stored, CacheStatus::Revalidated).await;
        }
        if (is_gone && is_for_all) || (is_changed && !self.authorises) {
            self.get.service.evict_response(&self.get.request.id, stored).await;
        }
        if status == StatusCode::OK && self.is_conditional() {
            // The request to the upstream did not contain the client's own condition.
            return None;
        }
        let reason = match (is_changed, self.authorises) {
            (true, _) => Reason::Partial,
            (false, true) => Reason::NotAuthorised,
            (false, false) => Reason::Status,
        };
        Some(self.pass(reason, response))
    }

    /// Sends a conditional request: for the whole image, or for the part that the client wants.
    pub(super) async fn ask_if(
        &self,
        conditions: HeaderMap,
    ) -> Result<Response<Incoming>, UpstreamError> {
        let mut request = Request::new(body::empty());
        let headers = request.headers_mut();
        *headers = self.get.request.headers.clone();
        headers.extend(conditions);
        if self.get.head.method == Method::HEAD {
            *request.method_mut() = Method::HEAD;
        } else if !self.may_fetch() && !self.is_conditional() {
            let part = [header::RANGE, header::IF_RANGE];
            for name in part {
                if let Some(value) = self.get.head.headers.get(&name) {
                    headers.insert(name, value.clone());
                }
            }
        }
        self.get.service.upstream.send(&self.get.request.target, request).await
    }

    /// Updates the stored response from the upstream's header fields. If it must not be stored with them, it is evicted.
    async fn confirm(
        &self,
        stored: &Arc<StoredResponse>,
        headers: &HeaderMap,
    ) -> Option<Arc<StoredResponse>> {
        let ImageGet { service, request, .. } = &self.get;
        let mut confirmed = StoredResponse::clone(stored);
        confirmed.confirm(headers);
        if self.must_not_be_stored(&confirmed) {
            service.evict_response(&request.id, stored).await;
            return None;
        }
        let (stored, epoch) = (confirmed.clone(), request.epoch);
        let put = service.run(&request.id, move |responses, _, id| {
            Ok(responses.store_if_unchanged(id, stored, epoch))
        });
        // It is not stored if the runtime stops, or if the image was replaced or invalidated in the meantime.
        Some(put.await.ok().flatten().unwrap_or_else(|| Arc::new(confirmed)))
    }

    /// The upstream's response to a GET, for a client that may have sent a HEAD.
    pub(super) fn pass(&self, reason: Reason, response: Response<Incoming>) -> Response<Body> {
        bypassed(
            reason,
            match self.get.head.method {
                Method::HEAD => response.map(|_| body::empty()),
                _ => self.get.service.passing(response),
            },
        )
    }
}
