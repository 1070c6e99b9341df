//! An image that is not stored: opened at the upstream, and fetched for everybody where that may be.

use super::{Get, rules};
use crate::along::{expected, streamed};
use crate::answer::bypassed;
use crate::body::Body;
use crate::cache_status::{CacheStatus, Reason};
use crate::collapsing::{Asking, Outcome, tell};
use crate::content_md5::md5_of;
use crate::fetch::Begun;
use crate::label::{CONTENT_MD5, Label};
use crate::service::{failed, log_bypass};
use crate::{along, fetch};
use hyper::Response;
use hyper::body::{Body as _, Incoming};
use image_cache::Route;
use std::sync::Arc;

impl Get<'_> {
    /// Opens the image at the upstream, and tells those who wait what came of it.
    pub(super) async fn miss(&self, asking: Option<Asking>) -> Response<Body> {
        let answer = self.service.upstream.get(&self.ask.target, self.ask.headers.clone()).await;
        let response = match answer {
            Ok(response) => response,
            Err(failure) => {
                tell(asking, Outcome::Failed(failure.clone()));
                return failed(&failure);
            }
        };
        match rules::keeping(&response, &self.service.fields, self.authorises) {
            Ok(()) => self.keep(response, asking, CacheStatus::Miss).await,
            Err(reason) => {
                if let Reason::NoStrongValidator | Reason::TooManyFields = reason {
                    tracing::warn!(image = %self.ask.id, reason = reason.word(), "it is not cached");
                }
                tell(asking, Outcome::NotShared);
                self.past(reason, response)
            }
        }
    }

    /// Fetches the image whose answer has begun, and keeps it for all; or reads along, where it is being fetched already.
    pub(super) async fn keep(
        &self,
        response: Response<Incoming>,
        asking: Option<Asking>,
        status: CacheStatus,
    ) -> Response<Body> {
        let id = &self.ask.id;
        if !self.is_variant(response.headers()) {
            // Asked again with all of the caller's fields; what came is for those who do not have them.
            self.service.collapsing.varies(id, response.headers(), asking);
            drop(response);
            return self.service.bypass(Reason::Vary, self.head.clone()).await;
        }
        let running = self.service.labels.shareable_fetch(id);
        if let Some(label) = running.filter(|label| label.agrees(response.headers())) {
            // The caller's own answer is of the very same bytes.
            let (ask, headers) = (&self.ask, &self.head.headers);
            if let Some(answer) =
                along::read_along(self.service, ask, headers, Arc::clone(&label)).await
            {
                return answer;
            }
        }
        let size = response.body().size_hint().exact();
        let (head, incoming) = response.into_parts();
        let md5 = head.headers.get(CONTENT_MD5).and_then(md5_of);
        let expected = expected(size, md5.as_deref());
        let label = Arc::new(Label::of(self.service.upstream.base(), &head.headers, size, md5));
        let ask = self.ask.clone();
        match fetch::begin(self.service, ask, incoming, Arc::clone(&label), expected).await {
            Ok(Begun::Reading(reader)) => {
                let outcome = match reader.route() {
                    Route::Passing => Outcome::NotShared,
                    // Of what is not to be used without asking, each caller asks for itself.
                    _ if label.cache_control().no_cache => Outcome::Unknown,
                    _ => Outcome::Shared(label),
                };
                if !matches!(outcome, Outcome::NotShared) {
                    self.service.collapsing.is_shared(id);
                }
                tell(asking, outcome);
                streamed(status, Response::from_parts(head, ()), reader, size).await
            }
            Ok(Begun::Elsewhere(body)) => {
                drop(asking);
                let response = self.service.passing(Response::from_parts(head, body));
                bypassed(Reason::CacheFailed, response)
            }
            Err(error) => {
                tell(asking, Outcome::NotShared);
                log_bypass(&self.ask, &error);
                self.service.bypass(Reason::CacheFailed, self.head.clone()).await
            }
        }
    }
}
