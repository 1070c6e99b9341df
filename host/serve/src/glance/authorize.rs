//! Authorises a client: Glance decides, and gets the client's credentials.

use super::decision::AuthDecision;
use super::{GlanceProfile, Record};
use crate::body::Body;
use crate::cache_status::Reason;
use crate::proxy::ImageGet;
use crate::response::{bypassed, refuse, upstream_failed};
use crate::upstream::{UpstreamError, cannot_do_ranges};
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};
use std::sync::Arc;

/// The maximum size of an image's record.
const MAX_RECORD: usize = 4 << 20;

/// The maximum size of a response to a request for one byte, if the service reads it to its end.
const MAX_BYTE: usize = 64 << 10;

impl GlanceProfile {
    /// Decides by the authorisation cache, or else by Glance's record of the image.
    pub(super) async fn decide(&mut self) -> AuthDecision {
        let ImageGet { service, request, .. } = &self.get;
        if !service.options.authorises() {
            return AuthDecision::Allowed(None);
        }
        if let Some(record) = service.auth_cache.get(request) {
            self.is_authorized = true;
            return AuthDecision::Allowed(Some(record));
        }
        self.fetch_record().await
    }

    /// Requests the image's record from Glance, with the client's credentials.
    pub(super) async fn fetch_record(&self) -> AuthDecision {
        let ImageGet { service, request, .. } = &self.get;
        let target = request.target.strip_suffix("/file").unwrap_or(&request.target);
        let response = match service.upstream.get(target, request.headers.clone()).await {
            Ok(response) => response,
            Err(error) if service.options.serve_stale_if_unreachable => {
                return AuthDecision::Unreachable(error);
            }
            Err(error) => return AuthDecision::Denied(upstream_failed(&error)),
        };
        if response.status() != StatusCode::OK {
            let response = bypassed(Reason::NotAuthorised, service.passing(response));
            return AuthDecision::Denied(response);
        }
        let record = service.upstream.collect(response.into_body(), MAX_RECORD).await;
        let record = record.map(|record| serde_json::from_slice::<Record>(&record));
        let words = match record {
            Ok(Ok(record)) if record.status == "active" => {
                return AuthDecision::Allowed(Some(Arc::new(record)));
            }
            // Glance itself tells the client that the image has no data, or that the client may not have it.
            Ok(Ok(record)) => {
                tracing::debug!(image = %request.id, status = record.status, "the image is not active");
                service.evict(&request.id).await;
                return AuthDecision::Denied(self.get.bypass(Reason::NotAuthorised).await);
            }
            Ok(Err(error)) => {
                tracing::warn!(image = %request.id, %error, "the upstream's record of the image is malformed");
                "the upstream's record of the image is malformed\n"
            }
            Err(error) => {
                tracing::warn!(image = %request.id, error, "the upstream's record of the image was interrupted");
                "the upstream's record of the image was interrupted\n"
            }
        };
        AuthDecision::Denied(refuse(StatusCode::BAD_GATEWAY, words))
    }

    /// Requests one byte of the image from Glance, with the client's credentials; returns its response if Glance refuses.
    pub(super) async fn denied_download(&mut self) -> Option<Response<Body>> {
        let record = self.record.clone().filter(|_| !self.is_authorized)?;
        let is_empty = record.size == Some(0);
        let mut response = self.open(!is_empty).await;
        if response.as_ref().is_ok_and(|response| cannot_do_ranges(response.status())) {
            response = self.open(false).await;
        }
        let service = &self.get.service;
        match response {
            Ok(response) if response.status() == StatusCode::PARTIAL_CONTENT => {
                // When the body has been read, the connection can be used again.
                let _ = service.upstream.collect(response.into_body(), MAX_BYTE).await;
            }
            // The response is the whole image: the service closes the connection after the header.
            Ok(response) if response.status() == StatusCode::OK => {}
            Ok(response) => {
                return Some(bypassed(Reason::NotAuthorised, service.passing(response)));
            }
            // A cached image may be served in this case.
            Err(error) if service.options.serve_stale_if_unreachable => {
                self.unreachable = Some(error);
                return None;
            }
            Err(error) => return Some(upstream_failed(&error)),
        }
        self.get.service.auth_cache.insert(&self.get.request, &record);
        (self.is_authorized, self.unreachable) = (true, None);
        None
    }

    async fn open(&self, one_byte: bool) -> Result<Response<Incoming>, UpstreamError> {
        let ImageGet { service, request, .. } = &self.get;
        let mut headers = request.headers.clone();
        if one_byte {
            headers.insert(header::RANGE, HeaderValue::from_static("bytes=0-0"));
        }
        service.upstream.get(&request.target, headers).await
    }
}
