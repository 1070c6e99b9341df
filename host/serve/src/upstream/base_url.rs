//! The upstream's URL, and the URLs below it.

use super::dot_segments::may_leave_base;
use super::failure::UpstreamError;
use super::uri_reference;
use hyper::Uri;
use hyper::header::HeaderValue;
use hyper::http::uri::PathAndQuery;

/// The base URL of all images.
pub struct BaseUrl {
    url: Uri,
    /// A text that is equal for equal URLs.
    canonical: String,
}

impl BaseUrl {
    pub fn new(url: Uri) -> BaseUrl {
        let canonical = canonical(&url);
        BaseUrl { url, canonical }
    }

    /// The URL in its canonical form.
    pub fn as_str(&self) -> &str {
        &self.canonical
    }

    /// Whether a URL in a stored response is this upstream's.
    pub fn is(&self, url: &str) -> bool {
        url == self.canonical || url.parse().is_ok_and(|url| canonical(&url) == self.canonical)
    }

    /// The target of a request to this service for the URL in a Location; `None` if that is another server's.
    pub fn target_of(&self, location: &str, target: &str) -> Option<String> {
        let base = self.url.path().trim_end_matches('/');
        let url = uri_reference::resolve(&self.url, &format!("{base}{target}"), location)?;
        let is_same_server = canonical_server(&url) == canonical_server(&self.url);
        let target = url.path_and_query()?.as_str().strip_prefix(base)?;
        (is_same_server && target.starts_with('/')).then(|| target.to_owned())
    }

    /// The Host field of a request: the server, with its port unless it is the scheme's default.
    pub fn host(&self) -> Result<HeaderValue, UpstreamError> {
        let server = canonical_server(&self.url);
        let host = server.split_once("://").map_or("", |(_, host)| host);
        HeaderValue::from_str(host).map_err(|_| UpstreamError::Malformed)
    }

    /// The URL itself, whose scheme and authority name the server.
    pub fn url(&self) -> Uri {
        self.url.clone()
    }

    /// The target of a request for a path below the upstream's.
    pub fn join(&self, path_and_query: &str) -> Result<Uri, UpstreamError> {
        let base = self.url.path().trim_end_matches('/');
        let path = path_and_query.split('?').next().unwrap_or_default();
        if !base.is_empty() && may_leave_base(path) {
            return Err(UpstreamError::Malformed);
        }
        let target = format!("{base}{path_and_query}").parse::<PathAndQuery>();
        Ok(target.map_err(|_| UpstreamError::Malformed)?.into())
    }
}

/// A URL's scheme, host and port, as a text that is equal if they are equal.
fn canonical_server(url: &Uri) -> String {
    let scheme = url.scheme_str().unwrap_or_default().to_ascii_lowercase();
    let host = url.host().unwrap_or_default().to_ascii_lowercase();
    let usual = if scheme == "https" { 443 } else { 80 };
    match url.port_u16() {
        Some(port) if port != usual => format!("{scheme}://{host}:{port}"),
        _ => format!("{scheme}://{host}"),
    }
}

/// A URL as a text that is equal for equal URLs, without a default port and without a slash at the end.
fn canonical(url: &Uri) -> String {
    format!("{}{}", canonical_server(url), url.path().trim_end_matches('/'))
}
