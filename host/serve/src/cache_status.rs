//! What the cache did with a request, and why: for the client (`X-Cache`, and `Cache-Status` of RFC 9211), for metrics
//! and for the log.

use super::via;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Response, Version};

/// Where the bytes of a response came from.
pub const X_CACHE: HeaderName = HeaderName::from_static("x-cache");

/// The same with the reason, in the syntax of RFC 9211.
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// What the cache did with a request, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CacheStatus {
    /// Served from disk: the response is fresh, or the operator's options allow it.
    Hit,
    /// Served from disk after the upstream confirmed it.
    Revalidated,
    /// Fetched and stored.
    Miss,
    /// Fetched and stored in place of another image.
    Changed,
    /// From a fetch that another request started.
    Shared,
    /// From the upstream, not stored, for this reason.
    Bypass(Reason),
}

/// Why a response bypassed the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The cache does not store responses to this method, or the request has a body.
    Method,
    /// The request is for one user only.
    Personal,
    /// Its query contains a credential.
    CredentialInQuery,
    /// The request forbids storing, or has a condition that only the upstream can evaluate.
    Request,
    /// The cache does not store this path.
    Path,
    /// A part, a HEAD or a conditional request for an image that is not cached.
    Partial,
    /// The response varies on a field of this request.
    Vary,
    /// The response cannot be stored: its status is not 200.
    Status,
    /// The response forbids storing: `private`, `no-store`, `Set-Cookie`.
    Forbidden,
    /// The response is encoded, has no detectable end, or has no validator.
    NotStorable,
    /// Each use must be authorised, and the response has no strong ETag for this.
    NoStrongValidator,
    /// The response has more header fields than the cache stores.
    TooManyFields,
    /// The upstream does not allow this client to have the image.
    NotAuthorised,
    /// The cache could not serve or store the image; the log states why.
    CacheFailed,
}

impl Reason {
    /// The word for it in header fields, metrics and the log.
    pub fn word(self) -> &'static str {
        self.words().0
    }

    /// Our word for it, and the word in RFC 9211, 2.2.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Reason::Method => ("method", "method"),
            Reason::Personal => ("personal", "request"),
            Reason::CredentialInQuery => ("credential-in-query", "request"),
            Reason::Request => ("request", "request"),
            Reason::Path => ("path", "bypass"),
            Reason::Partial => ("partial", "partial"),
            Reason::Vary => ("vary", "vary-miss"),
            Reason::Status => ("status", "uri-miss"),
            Reason::Forbidden => ("forbidden", "uri-miss"),
            Reason::NotStorable => ("not-storable", "uri-miss"),
            Reason::NoStrongValidator => ("no-strong-validator", "uri-miss"),
            Reason::TooManyFields => ("too-many-fields", "uri-miss"),
            Reason::NotAuthorised => ("not-authorised", "uri-miss"),
            Reason::CacheFailed => ("cache-failed", "bypass"),
        }
    }
}

impl CacheStatus {
    /// Where the bytes came from, as in X-Cache; `None` if the request was not about an image.
    pub fn x_cache(self) -> Option<&'static str> {
        match self {
            CacheStatus::Hit | CacheStatus::Revalidated => Some("hit"),
            CacheStatus::Miss | CacheStatus::Changed => Some("miss"),
            CacheStatus::Shared => Some("shared"),
            CacheStatus::Bypass(Reason::Method) => None,
            CacheStatus::Bypass(_) => Some("bypass"),
        }
    }

    /// The word for it in metrics and the log.
    pub fn reason(self) -> &'static str {
        match self {
            CacheStatus::Hit => "hit",
            CacheStatus::Revalidated => "revalidated",
            CacheStatus::Miss => "miss",
            CacheStatus::Changed => "changed",
            CacheStatus::Shared => "shared",
            CacheStatus::Bypass(reason) => reason.word(),
        }
    }

    /// The value for Cache-Status.
    fn described(self) -> String {
        match self {
            CacheStatus::Hit => "image-cache; hit".to_owned(),
            CacheStatus::Revalidated => "image-cache; hit; fwd=stale; fwd-status=304".to_owned(),
            CacheStatus::Miss => "image-cache; fwd=uri-miss; stored".to_owned(),
            CacheStatus::Changed => "image-cache; fwd=stale; stored".to_owned(),
            CacheStatus::Shared => "image-cache; fwd=uri-miss; collapsed".to_owned(),
            CacheStatus::Bypass(reason) => {
                let (word, forwarded) = reason.words();
                format!("image-cache; fwd={forwarded}; detail={word}")
            }
        }
    }

    /// The status of a response; `None` if the cache was not involved.
    pub fn of<B>(response: &Response<B>) -> Option<CacheStatus> {
        response.extensions().get().copied()
    }

    /// Gives a response this status. Header fields about the upstream's own cache do not count.
    pub fn mark<B>(self, mut response: Response<B>) -> Response<B> {
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes the status of a response into its header when the response leaves the service.
pub fn write<B>(response: &mut Response<B>) {
    let Some(status) = CacheStatus::of(response) else { return };
    let headers = response.headers_mut();
    via::add(headers, Version::HTTP_11);
    if let Ok(described) = HeaderValue::try_from(status.described()) {
        headers.append(CACHE_STATUS, described);
    }
    if let Some(from) = status.x_cache() {
        headers.insert(X_CACHE, HeaderValue::from_static(from));
    }
}
