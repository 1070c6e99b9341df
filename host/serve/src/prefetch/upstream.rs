//! Queued images at the upstream: their status, and their fetch, which is that of a client's request.

use super::credentials;
use crate::cache_status::CacheStatus;
use crate::options::Profile;
use crate::routing::respond;
use crate::service::Service;
use crate::upstream::UpstreamError;
use crate::{body, plain_id};
use hyper::header::HeaderMap;
use hyper::{Request, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// No record of an image, and no schema, is larger.
const MAX_DOCUMENT: usize = 4 << 20;

/// What the upstream says of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamStatus {
    /// It has it, and hands it out.
    Active,
    /// It has it, but does not hand it out in this status.
    Inactive(String),
    /// It does not have it.
    Missing,
    /// It cannot be asked, or does not tell us, for this reason.
    Unknown(String),
}

/// What Glance says of an image.
#[derive(Debug, Deserialize)]
struct ImageStatus {
    status: String,
}

/// What the upstream says of an image, asked with the prefetcher's credentials.
pub async fn upstream_status(service: &Service, id: &str) -> UpstreamStatus {
    let Ok(path) = target(service, id) else { return UpstreamStatus::Missing };
    if service.options.origin.profile == Profile::Plain {
        return UpstreamStatus::Unknown("it is asked when the image is fetched".to_owned());
    }
    let path = path.strip_suffix("/file").unwrap_or(&path);
    match document::<ImageStatus>(service, path).await {
        Ok(record) if record.status == "active" => UpstreamStatus::Active,
        Ok(record) => UpstreamStatus::Inactive(record.status),
        Err(DocumentError::Answered(StatusCode::NOT_FOUND)) => UpstreamStatus::Missing,
        Err(failed) => UpstreamStatus::Unknown(failed.to_string()),
    }
}

/// Fetches an image into the cache; an error is the reason why it is not there.
pub async fn fetch(service: &Arc<Service>, id: &str) -> Result<(), String> {
    let mut request = Request::new(body::empty());
    *request.uri_mut() = target(service, id)?.parse().map_err(|_| "its path is malformed")?;
    *request.headers_mut() = credential_headers(service)?;
    let response = respond(Arc::clone(service), request).await;
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
        // A fetch takes its image from the queue; if the image was cached already, there was no fetch.
        if is_cached {
            cache.delete_queued_image(image)?;
        }
        Ok(is_cached)
    });
    match is_cached.await {
        Ok(true) => Ok(()),
        Ok(false) => Err("the cache could not keep it; the log says why".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Where the upstream has the data of an image.
fn target(service: &Service, id: &str) -> Result<String, String> {
    match service.options.origin.profile {
        Profile::Glance => {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            let is_plain = id.bytes().all(plain);
            let no_id = || "it is no id of Glance's: those have letters, digits, -, _ and .";
            is_plain.then(|| format!("/v2/images/{id}/file")).ok_or_else(|| no_id().to_owned())
        }
        Profile::Plain => plain_id::target_of(id).ok_or_else(|| {
            "no path below the upstream has this id, or one that is too long to be told from it"
                .to_owned()
        }),
    }
}

/// Why an image would not come through the cache.
async fn bypass_reason(service: &Service, id: &str) -> String {
    match upstream_status(service, id).await {
        UpstreamStatus::Inactive(status) => format!("its status is {status}, not active"),
        _ => "the cache does not take it: the upstream forbids it, the driver refuses it, or there is no room; the log says more".to_owned(),
    }
}

/// Why the upstream did not tell what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    #[error("the upstream answered {0}")]
    Answered(StatusCode),
    #[error(transparent)]
    Failed(#[from] UpstreamError),
    #[error("{0}")]
    Otherwise(String),
}

/// The headers that show who the prefetcher is.
fn credential_headers(service: &Service) -> Result<HeaderMap, String> {
    let file = service.options.prefetch.prefetch_credentials_file.as_deref();
    credentials::headers(file).map_err(|error| format!("{error:#}"))
}

/// A JSON document of the upstream, asked for with the prefetcher's credentials.
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
        text.map_err(|error| DocumentError::Otherwise(format!("{path} broke off: {error}")))?;
    serde_json::from_slice(&text).map_err(|error| {
        DocumentError::Otherwise(format!("{path} is not what it should be: {error}"))
    })
}
