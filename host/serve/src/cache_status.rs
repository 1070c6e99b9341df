//! What the cache did with a request, and why: for the client (`X-Cache`, and `Cache-Status` of RFC 9211), for metrics
//! and for the log.

use super::via;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Response, Version};

/// Where the bytes of a response came from.
pub const X_CACHE: HeaderName = HeaderName::from_static("x-cache");

/// The same, with its reason, as RFC 9211 has it.
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// What the cache did with a request, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CacheStatus {
    /// Served from disk: fresh, or allowed by the operator's options.
    Hit,
    /// Served from disk, once the upstream has confirmed it.
    Revalidated,
    /// Fetched, and stored.
    Miss,
    /// Fetched, and stored in place of another image.
    Changed,
    /// From a fetch that another request began.
    Shared,
    /// From the upstream, and not stored, for this reason.
    Bypass(Reason),
}

/// Why a response came past the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The method is none that is cached, or the request has a body.
    Method,
    /// The request is for one user alone.
    Personal,
    /// Its query holds a credential.
    CredentialInQuery,
    /// The request wants nothing stored, or has a condition that only the upstream can judge.
    Request,
    /// The path is none that is cached.
    Path,
    /// A part, a head or a condition, of what is not cached.
    Partial,
    /// The response depends on a field of this request.
    Vary,
    /// The response cannot be stored: its status is not 200.
    Status,
    /// The response forbids it: `private`, `no-store`, `Set-Cookie`.
    Forbidden,
    /// The response is encoded, has no recognisable end, or nothing by which it can be validated.
    NotStorable,
    /// Each use must be authorised, and the response has no strong ETag by which that can be done.
    NoStrongValidator,
    /// The response has more header fields than are stored.
    TooManyFields,
    /// The upstream does not let this caller have it, or did not allow it.
    NotAuthorised,
    /// The cache could not serve or store it; the log says why.
    CacheFailed,
}

impl Reason {
    /// The word for it, in headers, metrics and the log.
    pub fn word(self) -> &'static str {
        self.words().0
    }

    /// Our word for it, and the word that RFC 9211, 2.2, has for it.
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
    /// Where the bytes came from, as in X-Cache; nothing if the request was not about an image.
    pub fn x_cache(self) -> Option<&'static str> {
        match self {
            CacheStatus::Hit | CacheStatus::Revalidated => Some("hit"),
            CacheStatus::Miss | CacheStatus::Changed => Some("miss"),
            CacheStatus::Shared => Some("shared"),
            CacheStatus::Bypass(Reason::Method) => None,
            CacheStatus::Bypass(_) => Some("bypass"),
        }
    }

    /// The word for it, in metrics and the log.
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

    /// As in Cache-Status.
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

    /// The status of a response; nothing if the cache had no part in it.
    pub fn of<B>(response: &Response<B>) -> Option<CacheStatus> {
        response.extensions().get().copied()
    }

    /// Gives a response this status. Header fields in which the upstream speaks of its own cache do not count.
    pub fn mark<B>(self, mut response: Response<B>) -> Response<B> {
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes the status of a response into its header, once, when it leaves the service.
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
