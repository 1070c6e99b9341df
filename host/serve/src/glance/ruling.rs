//! Whether the caller may have an image: what Glance says of it, asked with the caller's credentials.

use super::{Get, Record};
use crate::answer::{bypassed, refuse};
use crate::body::Body;
use crate::cache_status::Reason;
use crate::service::failed;
use crate::upstream::{Failure, Ranged};
use hyper::{Response, StatusCode};
use std::sync::Arc;

/// No record of an image is longer.
const MAX_RECORD: usize = 4 << 20;

/// No answer to a request for one byte is longer, if it is to be read to its end.
const MAX_BYTE: usize = 64 << 10;

/// What has to be known of an image before it is served.
pub(super) enum Ruling {
    /// The caller may have it; with what Glance says of it, where it was asked.
    Granted(Option<Arc<Record>>),
    /// Glance could not be asked, and the operator allows to serve what is cached then.
    Unreachable(Response<Body>),
    Refused(Response<Body>),
}

impl Get<'_> {
    /// Asks Glance for the image's record, with the caller's credentials.
    pub(super) async fn record(&mut self) -> Ruling {
        let Get { service, ask, .. } = self;
        if !service.options.authorises() {
            return Ruling::Granted(None);
        }
        if let Some(record) = service.consents.given(ask) {
            self.consented = true;
            return Ruling::Granted(Some(record));
        }
        self.ask_record().await
    }

    /// The same, whatever the options.
    pub(super) async fn ask_record(&self) -> Ruling {
        let Get { service, ask, .. } = self;
        let target = ask.target.strip_suffix("/file").unwrap_or(&ask.target);
        let response = match service.upstream.get(target, ask.headers.clone()).await {
            Ok(response) => response,
            Err(failure) => return self.unreachable(&failure),
        };
        if response.status() != StatusCode::OK {
            return Ruling::Refused(bypassed(Reason::NotAuthorised, service.passing(response)));
        }
        let record = service.upstream.collect(response.into_body(), MAX_RECORD).await;
        let record = record.map(|record| serde_json::from_slice::<Record>(&record));
        match record {
            Ok(Ok(record)) if record.status == "active" => Ruling::Granted(Some(Arc::new(record))),
            // Glance knows best how to say that it has no data, or none for this caller.
            Ok(Ok(record)) => {
                tracing::debug!(image = %ask.id, status = record.status, "it is not active");
                service.evict(&ask.id).await;
                Ruling::Refused(service.bypass(Reason::NotAuthorised, self.head.clone()).await)
            }
            Ok(Err(error)) => {
                tracing::warn!(image = %ask.id, %error, "the upstream's record of it is none");
                Ruling::Refused(refuse(
                    StatusCode::BAD_GATEWAY,
                    "the upstream's record of the image is malformed\n",
                ))
            }
            Err(error) => {
                tracing::warn!(image = %ask.id, error, "the upstream's record of it broke off");
                Ruling::Refused(refuse(
                    StatusCode::BAD_GATEWAY,
                    "the upstream's record of the image broke off\n",
                ))
            }
        }
    }

    fn unreachable(&self, failure: &Failure) -> Ruling {
        let response = failed(failure);
        match self.service.options.serve_stale_if_unreachable {
            true => Ruling::Unreachable(response),
            false => Ruling::Refused(response),
        }
    }

    /// What Glance answers instead of the download, if it does: asked for one byte, with the caller's credentials.
    pub(super) async fn refusal(&mut self, record: Option<&Arc<Record>>) -> Option<Response<Body>> {
        let record = record.filter(|_| !self.consented)?;
        let is_empty = record.size == Some(0);
        let mut answer = self.open(!is_empty).await;
        if answer.as_ref().is_ok_and(|answer| Ranged::is_not_for(answer.status())) {
            answer = self.open(false).await;
        }
        match answer {
            Ok(answer) if answer.status() == StatusCode::PARTIAL_CONTENT => {
                // Read to its end, the connection can be used again.
                let _ = self.service.upstream.collect(answer.into_body(), MAX_BYTE).await;
            }
            // Closed after its head.
            Ok(answer) if answer.status() == StatusCode::OK => {}
            Ok(answer) => {
                return Some(bypassed(Reason::NotAuthorised, self.service.passing(answer)));
            }
            // What is cached may be served then.
            Err(_) if self.service.options.serve_stale_if_unreachable => return None,
            Err(failure) => return Some(failed(&failure)),
        }
        self.consented = true;
        self.service.consents.give(&self.ask, record);
        None
    }
}
