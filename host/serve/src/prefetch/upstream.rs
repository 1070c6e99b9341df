//! Queued images at the upstream: their status, and their fetch, which uses the code for a client's request.

use super::credentials;
use crate::cache_status::CacheStatus;
use crate::options::Profile;
use crate::response::UpstreamFault;
use crate::routing::respond;
use crate::service::Service;
use crate::upstream::UpstreamError;
use crate::{body, plain_id};
use hyper::header::HeaderMap;
use hyper::{Request, StatusCode};
use image_cache::RequestKind;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// The maximum size of an image's record or of a schema.
const MAX_DOCUMENT: usize = 4 << 20;

/// The status of an image at the upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamStatus {
    /// The upstream has the image and serves it.
    Active,
    /// The upstream has the image, but does not serve it in this status.
    Inactive(String),
    /// The upstream does not have the image.
    Missing,
    /// The status is unknown, for this reason.
    Unknown(String),
}

/// Glance's record of an image.
#[derive(Debug, Deserialize)]
struct ImageStatus {
    status: String,
}

/// The status of an image at the upstream, requested with the prefetcher's credentials.
pub async fn upstream_status(service: &Service, id: &str) -> UpstreamStatus {
    let Ok(path) = target(service, id) else { return UpstreamStatus::Missing };
    if service.options.origin.profile == Profile::Plain {
        return UpstreamStatus::Unknown("the fetch will ask the upstream".to_owned());
    }
    let path = path.strip_suffix("/file").unwrap_or(&path);
    match document::<ImageStatus>(service, path).await {
        Ok(record) if record.status == "active" => UpstreamStatus::Active,
        Ok(record) => UpstreamStatus::Inactive(record.status),
        Err(DocumentError::Answered(StatusCode::NOT_FOUND)) => UpstreamStatus::Missing,
        Err(failed) => UpstreamStatus::Unknown(failed.to_string()),
    }
}

/// Fetches an image into the cache; an error is the reason why it is not cached.
pub async fn fetch(service: &Arc<Service>, id: &str) -> Result<(), String> {
    let mut request = Request::new(body::empty());
    *request.uri_mut() = target(service, id)?.parse().map_err(|_| "its path is malformed")?;
    *request.headers_mut() = credential_headers(service)?;
    request.extensions_mut().insert(RequestKind::Prefetch);
    let response = respond(Arc::clone(service), request).await;
    if let Some(UpstreamFault(reason)) = response.extensions().get() {
        return Err(reason.clone());
    }
    if response.status() != StatusCode::OK {
        return Err(DocumentError::Answered(response.status()).to_string());
    }
    match CacheStatus::of(&response) {
        Some(CacheStatus::Miss | CacheStatus::Changed | CacheStatus::Shared) => {
            body::drain(response.into_body()).await.map_err(|error| error.to_string())?
        }
        Some(CacheStatus::Hit | CacheStatus::Revalidated) => {}
        Some(CacheStatus::Bypass(_)) | None => return Err(bypass_reason(service, id).await),
    }
    let is_cached = service.run(id, |_, cache, image| {
        let is_cached = cache.is_cached(image)?;
        // A fetch removes its image from the queue; if the image was cached already, there was no fetch.
        if is_cached {
            cache.delete_queued_image(image)?;
        }
        Ok(is_cached)
    });
    match is_cached.await {
        Ok(true) => Ok(()),
        Ok(false) => Err(refusal(service, id)
            .await
            .unwrap_or_else(|| "the cache could not store it; the log states why".to_owned())),
        Err(error) => Err(error.to_string()),
    }
}

/// The upstream's path for the data of an image.
fn target(service: &Service, id: &str) -> Result<String, String> {
    match service.options.origin.profile {
        Profile::Glance => {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            let is_plain = id.bytes().all(plain);
            let no_id = || "it is not an id of Glance: those have only letters, digits, -, _ and .";
            is_plain.then(|| format!("/v2/images/{id}/file")).ok_or_else(|| no_id().to_owned())
        }
        Profile::Plain => plain_id::target_of(id).ok_or_else(|| {
            "no path has this id, or the path is too long to be derived from it".to_owned()
        }),
    }
}

/// Why an image would bypass the cache.
async fn bypass_reason(service: &Service, id: &str) -> String {
    match upstream_status(service, id).await {
        UpstreamStatus::Inactive(status) => format!("its status is {status}, not active"),
        _ => refusal(service, id).await.unwrap_or_else(|| {
            "the cache does not store it: the upstream forbids it, or there is no room; the log states more".to_owned()
        }),
    }
}

/// Why the driver refused the image, if it did.
async fn refusal(service: &Service, id: &str) -> Option<String> {
    service.run(id, |_, cache, image| cache.last_refusal(image)).await.ok().flatten()
}

/// Why the upstream did not provide a document.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    #[error("the upstream responded with {0}")]
    Answered(StatusCode),
    #[error(transparent)]
    Failed(#[from] UpstreamError),
    #[error("{0}")]
    Otherwise(String),
}

/// The header fields with the prefetcher's credentials.
fn credential_headers(service: &Service) -> Result<HeaderMap, String> {
    let file = service.options.prefetch.prefetch_credentials_file.as_deref();
    credentials::headers(file).map_err(|error| format!("{error:#}"))
}

/// A JSON document of the upstream, requested with the prefetcher's credentials.
pub async fn document<T: DeserializeOwned>(
    service: &Service,
    path: &str,
) -> Result<T, DocumentError> {
    let headers = credential_headers(service).map_err(DocumentError::Otherwise)?;
    let answer = service.upstream.get(path, headers).await?;
    if answer.status() != StatusCode::OK {
        return Err(DocumentError::Answered(answer.status()));
    }
    let text = service.upstream.collect(answer.into_body(), MAX_DOCUMENT).await;
    let text =
        text.map_err(|error| DocumentError::Otherwise(format!("{path} was interrupted: {error}")))?;
    serde_json::from_slice(&text)
        .map_err(|error| DocumentError::Otherwise(format!("{path} is malformed: {error}")))
}
