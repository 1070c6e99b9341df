//! A stored image and the upstream: whether it is still the one that the upstream has (RFC 9111, 4.3).

use super::{Get, rules};
use crate::answer::bypassed;
use crate::body::Body;
use crate::cache_status::{CacheStatus, Reason};
use crate::collapsing::{Asking, Outcome, tell};
use crate::hit::Found;
use crate::label::Label;
use crate::service::failed;
use crate::upstream::Failure;
use crate::{body, label};
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::{Method, Request, Response, StatusCode, header};
use std::sync::Arc;

impl Get<'_> {
    /// Asks the upstream about a stored image, and tells those who wait what came of it; nothing where the image is to be
    /// looked for again.
    pub(super) async fn revalidate(
        &self,
        label: &Arc<Label>,
        asking: Option<Asking>,
    ) -> Option<Response<Body>> {
        let conditions = rules::conditions(label, self.authorises);
        let is_forbidden =
            label.is_outdated() && rules::sharing(label.repeated(), &self.service.fields).is_err();
        if is_forbidden || conditions.is_empty() || !self.service.upstream.is(&label.upstream) {
            self.service.evict_this(&self.ask.id, label).await;
            return None;
        }
        let response = match self.ask_if(conditions).await {
            Ok(response) => response,
            Err(failure) if self.may_be_stale(label) => {
                tell(asking, Outcome::Failed(failure));
                return self.still(label, CacheStatus::Hit).await;
            }
            Err(failure) => {
                tell(asking, Outcome::Failed(failure.clone()));
                return Some(failed(&failure));
            }
        };
        match response.status() {
            StatusCode::NOT_MODIFIED => self.confirmed(label, response.headers(), asking).await,
            StatusCode::OK if self.head.method == Method::HEAD => {
                self.described(label, response).await
            }
            StatusCode::OK if self.is_for_all() => self.changed(label, response, asking).await,
            _ => {
                tell(asking, Outcome::NotShared);
                self.withdrawn(label, response).await
            }
        }
    }

    /// Whether the operator allows to serve this image while the upstream cannot be reached, and neither the image nor
    /// the caller forbids it.
    pub(super) fn may_be_stale(&self, label: &Label) -> bool {
        let is_known = !label.is_invalid && !label.is_outdated();
        let is_allowed = self.service.options.serve_stale_if_unreachable;
        let is_forbidden = label.cache_control().forbids_stale() || self.wishes.want_confirmed();
        is_allowed && is_known && !is_forbidden
    }

    /// The upstream has confirmed it (304).
    async fn confirmed(
        &self,
        label: &Arc<Label>,
        headers: &HeaderMap,
        asking: Option<Asking>,
    ) -> Option<Response<Body>> {
        if !label.is_not_denied(headers) {
            tracing::warn!(image = %self.ask.id, "the upstream confirms another image than it was asked about; it is fetched anew");
            self.service.evict_this(&self.ask.id, label).await;
            return None;
        }
        // What an earlier version stored may lack what the upstream has said of sharing.
        let is_silent = label.is_outdated()
            && label.header(&header::CACHE_CONTROL).is_some()
            && !headers.contains_key(header::CACHE_CONTROL);
        let label = self.confirm(label, headers).await;
        if is_silent || self.is_not_to_be_kept(&label) {
            self.service.evict_this(&self.ask.id, &label).await;
            return None;
        }
        let control = label.cache_control();
        if !control.no_cache && !control.no_store {
            tell(asking, Outcome::Shared(Arc::clone(&label)));
        } else {
            tell(asking, Outcome::NotShared);
        }
        self.still(&label, CacheStatus::Revalidated).await
    }

    /// Whether a 304 has said what forbids to keep the image at all. `no-store` in it is about itself: each use is asked for.
    fn is_not_to_be_kept(&self, label: &Label) -> bool {
        let headers = label.repeated();
        let varies = rules::sharing(headers, &self.service.fields)
            .is_err_and(|reason| reason != Reason::Forbidden);
        varies || label.cache_control().private || !label::is_storable(headers)
    }

    /// The upstream has another image, and sends it.
    async fn changed(
        &self,
        label: &Arc<Label>,
        response: Response<Incoming>,
        asking: Option<Asking>,
    ) -> Option<Response<Body>> {
        match rules::keeping(&response, &self.service.fields, self.authorises) {
            Ok(()) => {
                self.service.evict_this(&self.ask.id, label).await;
                Some(self.keep(response, asking, CacheStatus::Changed).await)
            }
            Err(reason) => {
                tell(asking, Outcome::NotShared);
                // What one user gets says nothing of what another may have.
                if !self.authorises {
                    self.service.evict_this(&self.ask.id, label).await;
                }
                Some(self.past(reason, response))
            }
        }
    }

    /// What the upstream says of the image in an answer to HEAD (RFC 9111, 4.3.5).
    async fn described(
        &self,
        label: &Arc<Label>,
        response: Response<Incoming>,
    ) -> Option<Response<Body>> {
        let headers = response.headers();
        let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        let is_other =
            matches!((length, label.size), (Some(said), Some(size)) if said != size.to_string());
        if label.agrees(headers) && !is_other {
            self.confirm(label, headers).await;
        } else if !self.authorises && (is_other || !label.is_not_denied(headers)) {
            self.service.invalidate(&self.ask.id).await;
        }
        Some(self.past(Reason::Partial, response))
    }

    /// The upstream does not have it any more, or not for this caller, or sends a part of another one.
    async fn withdrawn(
        &self,
        label: &Arc<Label>,
        response: Response<Incoming>,
    ) -> Option<Response<Body>> {
        let status = response.status();
        let is_gone = [StatusCode::NOT_FOUND, StatusCode::GONE].contains(&status);
        let is_changed = [StatusCode::OK, StatusCode::PARTIAL_CONTENT].contains(&status);
        // Servers hide behind 404 what one user may not see.
        let is_for_all =
            !self.authorises && rules::sharing(response.headers(), &self.service.fields).is_ok();
        if is_changed && label.agrees(response.headers()) {
            // It ignores conditions: it is still the same image.
            let label = self.confirm(label, response.headers()).await;
            return self.still(&label, CacheStatus::Revalidated).await;
        }
        if (is_gone && is_for_all) || (is_changed && !self.authorises) {
            self.service.evict_this(&self.ask.id, label).await;
        }
        if status == StatusCode::OK && self.is_conditional() {
            // The caller's own condition has not been asked.
            return None;
        }
        let reason = match (is_changed, self.authorises) {
            (true, _) => Reason::Partial,
            (false, true) => Reason::NotAuthorised,
            (false, false) => Reason::Status,
        };
        Some(self.past(reason, response))
    }

    /// Asks on the caller's behalf: for all of the image, or for no more of it than the caller wants.
    pub(super) async fn ask_if(
        &self,
        conditions: HeaderMap,
    ) -> Result<Response<Incoming>, Failure> {
        let mut request = Request::new(body::empty());
        let headers = request.headers_mut();
        *headers = self.ask.headers.clone();
        headers.extend(conditions);
        if self.head.method == Method::HEAD {
            *request.method_mut() = Method::HEAD;
        } else if !self.is_for_all() && !self.is_conditional() {
            let part = [header::RANGE, header::IF_RANGE];
            for name in part {
                if let Some(value) = self.head.headers.get(&name) {
                    headers.insert(name, value.clone());
                }
            }
        }
        self.service.upstream.send(&self.ask.target, request).await
    }

    /// The stored image, if it is still the one with this label.
    pub(super) async fn still(
        &self,
        label: &Arc<Label>,
        status: CacheStatus,
    ) -> Option<Response<Body>> {
        let modified = label.modified;
        match self.look(move |label| label.modified == modified).await {
            Found::Hit(hit) => Some(self.service.answer_with(status, hit, &self.ask, &self.head)),
            Found::Unfit(_) | Found::Nothing => None,
        }
    }

    /// Keeps what the upstream has said of the image.
    async fn confirm(&self, label: &Label, headers: &HeaderMap) -> Arc<Label> {
        let mut label = label.clone();
        label.confirm(headers);
        let (labels, confirmed) = (Arc::clone(&self.service.labels), label.clone());
        let (id, asked) = (self.ask.id.clone(), self.ask.asked);
        let put = self.service.cache.run(move |_| Ok(labels.put_if_same(&id, label, asked)));
        // A runtime that stops keeps nothing, and neither does who is told of an image that was replaced or changed meanwhile.
        put.await.ok().flatten().unwrap_or_else(|| Arc::new(confirmed))
    }

    /// The upstream's answer to a GET, for a client that may have asked for its head only.
    pub(super) fn past(&self, reason: Reason, response: Response<Incoming>) -> Response<Body> {
        bypassed(
            reason,
            match self.head.method {
                Method::HEAD => response.map(|_| body::empty()),
                _ => self.service.passing(response),
            },
        )
    }
}
