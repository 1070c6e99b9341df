//! Fetches one file from an address, for the command line.

use anyhow::{Context, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::LOCATION;
use hyper::{Request, StatusCode, Uri};
use hyper_rustls::{ConfigBuilderExt, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rustls::ClientConfig;
use rustls::crypto::ring::default_provider;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// The time for the whole file.
const PATIENCE: Duration = Duration::from_secs(600);

/// Redirects that are followed, at most.
const MAX_REDIRECTS: usize = 5;

/// The bytes at an address, at most `most` of them. Redirects are followed, but never from https to http.
///
/// ```no_run
/// let component = image_cache_serve::download("https://example.org/lfu.wasm", 32 << 20)?;
/// # Ok::<(), anyhow::Error>(())
/// ```
///
/// # Errors
/// If the address is invalid, the server cannot be reached or refuses, or the file is too large. If the server has no such file, one
/// of the causes is an [`io::Error`] of the kind `NotFound`.
pub fn download(address: &str, most: u64) -> anyhow::Result<Vec<u8>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let fetched = async { tokio::time::timeout(PATIENCE, fetch(address, most)).await };
    runtime.block_on(fetched).context("it takes too long")?
}

async fn fetch(address: &str, most: u64) -> anyhow::Result<Vec<u8>> {
    let mut address: Uri = address.parse().context("it is no address")?;
    let tls = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_native_roots()?
        .with_no_client_auth();
    let connector =
        HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
    // Each request has its own connection: one that the server closes just then could keep a request until the time is over.
    let mut client = Client::builder(TokioExecutor::new());
    let client = client.pool_max_idle_per_host(0).build::<_, Empty<Bytes>>(connector);
    for _ in 0..=MAX_REDIRECTS {
        let request = Request::get(address.clone()).body(Empty::new())?;
        let response = client.request(request).await?;
        if !response.status().is_redirection() {
            if response.status() == StatusCode::NOT_FOUND {
                let missing =
                    io::Error::new(io::ErrorKind::NotFound, "the server has no such file");
                return Err(missing.into());
            }
            if !response.status().is_success() {
                bail!("the server answered {}", response.status());
            }
            return whole(response.into_body(), most).await;
        }
        let next = response.headers().get(LOCATION).and_then(|next| next.to_str().ok());
        let next: Uri = next.context("the server redirects to nowhere")?.parse()?;
        address = followed(next, &address)?;
    }
    bail!("the server redirects more than {MAX_REDIRECTS} times")
}

/// The bytes of a response, if it ends as announced and has at most `most` of them.
async fn whole(body: Incoming, most: u64) -> anyhow::Result<Vec<u8>> {
    if let Some(length) = body.size_hint().exact().filter(|length| *length > most) {
        bail!("the file has {length} bytes; at most {most} are accepted");
    }
    let limit = usize::try_from(most).unwrap_or(usize::MAX);
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(body.to_bytes().to_vec()),
        Err(error) if error.is::<LengthLimitError>() => {
            bail!("the file has more than {most} bytes, which is the most that is accepted")
        }
        Err(error) => bail!("the response broke off before its end, try again: {error}"),
    }
}

/// The address of a redirect, if it is followed: never from https to http, or to anything else.
fn followed(next: Uri, from: &Uri) -> anyhow::Result<Uri> {
    let next = absolute(next, from)?;
    if next.scheme_str() != from.scheme_str() && next.scheme_str() != Some("https") {
        bail!("the server redirects to {next}: name that address yourself");
    }
    Ok(next)
}

/// The address of a redirect, which may lack a scheme and a host.
fn absolute(next: Uri, from: &Uri) -> anyhow::Result<Uri> {
    if next.scheme().is_some() {
        return Ok(next);
    }
    let mut parts = next.into_parts();
    parts.scheme = from.scheme().cloned();
    parts.authority = parts.authority.or_else(|| from.authority().cloned());
    Ok(Uri::from_parts(parts)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_without_a_host_stays_on_the_server() {
        let from: Uri = "https://example.org/a".parse().expect("an address");
        let next =
            |text: &str| absolute(text.parse().expect("an address"), &from).expect("it is whole");
        assert_eq!(next("/b?c"), "https://example.org/b?c");
        assert_eq!(next("http://other.example/b"), "http://other.example/b");
    }

    #[test]
    fn a_redirect_may_lead_to_https_and_never_away_from_it() {
        let leads = |from: &str, to: &str| {
            let (from, to): (Uri, Uri) =
                (from.parse().expect("an address"), to.parse().expect("an address"));
            followed(to, &from).is_ok()
        };
        assert!(leads("http://a.example/x", "https://b.example/x"));
        assert!(leads("http://a.example/x", "http://b.example/x"));
        assert!(leads("https://a.example/x", "/y"));
        assert!(!leads("https://a.example/x", "http://a.example/x"));
        assert!(!leads("http://a.example/x", "ftp://a.example/x"));
    }
}
