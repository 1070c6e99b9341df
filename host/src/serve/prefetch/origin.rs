//! What the upstream says of a queued image, and its way into the cache.

use super::credentials::Credentials;
use crate::serve::body;
use crate::serve::service::Service;
use futures_util::TryStreamExt;
use http_body_util::BodyDataStream;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::{Response, StatusCode};
use image_cache::{Expected, Outcome};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio_util::io::StreamReader;

/// No record of an image, and no schema, is larger.
const MAX_DOCUMENT: usize = 4 << 20;

/// What the upstream says of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It has it, and hands it out.
    Active,
    /// It has it, but does not hand it out now.
    Inactive,
    /// It does not have it.
    Missing,
    /// It cannot be asked, or does not tell us.
    Unknown,
}

/// What Glance says of an image.
#[derive(Debug, Deserialize)]
struct Record {
    status: String,
    size: Option<u64>,
    checksum: Option<String>,
}

/// What the upstream says of an image, asked with these credentials.
pub async fn standing(service: &Service, credentials: &Credentials, id: &str) -> Standing {
    match record(service, credentials, id).await {
        Ok(record) if record.status == "active" => Standing::Active,
        Ok(_) => Standing::Inactive,
        Err(Failed::Answered(StatusCode::NOT_FOUND)) => Standing::Missing,
        Err(error) => {
            tracing::info!(image = id, error = error.words(), "the upstream does not tell of it");
            Standing::Unknown
        }
    }
}

/// Fetches an image into the cache; an error is the reason why it is not there.
pub async fn fetch(service: &Service, credentials: &Credentials, id: &str) -> Result<(), String> {
    let record = record(service, credentials, id).await.map_err(|error| error.words())?;
    if record.status != "active" {
        return Err(format!("its status is {}, not active", record.status));
    }
    let mut expected = Expected::nothing()
        .with_md5(record.checksum.as_deref().unwrap_or_default())
        .map_err(|error| error.to_string())?;
    expected.size = record.size;
    let path = format!("/v2/images/{}/file", segment(id));
    let answer = get(service, credentials, &path).await.map_err(|error| error.words())?;
    if answer.status() != StatusCode::OK {
        return Err(Failed::Answered(answer.status()).words());
    }
    let chunks =
        BodyDataStream::new(body::passing(answer.into_body())).map_err(std::io::Error::other);
    let outcome = service.cache.cache_image(id, StreamReader::new(chunks), expected).await;
    match outcome.map_err(|error| error.to_string())? {
        Outcome::Cached(_) | Outcome::AlreadyCached => Ok(()),
        Outcome::BeingCached => Err("somebody else is fetching it".to_owned()),
        Outcome::RefusedByDriver => Err("the driver does not want it".to_owned()),
        Outcome::CacheFailed(reason) => Err(format!("the cache failed: {reason}")),
        _ => Err("it was not cached".to_owned()),
    }
}

/// Why the upstream did not do what it was asked.
pub enum Failed {
    Answered(StatusCode),
    Otherwise(String),
}

impl Failed {
    fn words(&self) -> String {
        match self {
            Failed::Answered(status) => format!("the upstream answered {status}"),
            Failed::Otherwise(words) => words.clone(),
        }
    }
}

async fn record(service: &Service, credentials: &Credentials, id: &str) -> Result<Record, Failed> {
    document(service, credentials, &format!("/v2/images/{}", segment(id))).await
}

/// What the upstream tells in JSON.
pub async fn document<T: DeserializeOwned>(
    service: &Service,
    credentials: &Credentials,
    path: &str,
) -> Result<T, Failed> {
    let answer = get(service, credentials, path).await?;
    if answer.status() != StatusCode::OK {
        return Err(Failed::Answered(answer.status()));
    }
    let text = Limited::new(answer.into_body(), MAX_DOCUMENT).collect().await;
    let text = text.map_err(|error| Failed::Otherwise(format!("{path} broke off: {error}")))?;
    serde_json::from_slice(&text.to_bytes())
        .map_err(|error| Failed::Otherwise(format!("{path} is not what it should be: {error}")))
}

async fn get(
    service: &Service,
    credentials: &Credentials,
    path: &str,
) -> Result<Response<Incoming>, Failed> {
    let otherwise = |error: String| Failed::Otherwise(error);
    let headers = credentials.headers().map_err(|error| otherwise(format!("{error:#}")))?;
    let answer = service.upstream.get(path, headers).await;
    answer.map_err(|failure| otherwise(failure.to_string()))
}

/// An id as one segment of a path.
fn segment(id: &str) -> String {
    let keep = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    id.bytes().fold(String::new(), |path, byte| match byte {
        byte if keep(&byte) => path + &char::from(byte).to_string(),
        byte => path + &format!("%{byte:02X}"),
    })
}
