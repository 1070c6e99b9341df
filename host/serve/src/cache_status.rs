//! What the cache did with a request, and why: for the client (`X-Cache`, and `Cache-Status` of RFC 9211), for metrics
//! and for the log.

use super::via;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Response, Version};

/// Where the bytes of an answer came from.
pub const X_CACHE: HeaderName = HeaderName::from_static("x-cache");

/// The same, with its reason, as RFC 9211 has it.
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// Where the bytes of an answer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum XCache {
    Hit,
    Miss,
    Shared,
    Bypass,
}

impl XCache {
    /// Each of them.
    pub const ALL: [XCache; 4] = [XCache::Hit, XCache::Miss, XCache::Shared, XCache::Bypass];

    /// As in the header.
    pub fn name(self) -> &'static str {
        match self {
            XCache::Hit => "hit",
            XCache::Miss => "miss",
            XCache::Shared => "shared",
            XCache::Bypass => "bypass",
        }
    }
}

/// What the cache did with a request, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CacheStatus {
    /// Served from disk: fresh, or allowed by the operator's options.
    Hit,
    /// Served from disk, once the upstream has confirmed it.
    Revalidated,
    /// Fetched, and kept.
    Miss,
    /// Fetched and kept in the place of another one.
    Changed,
    /// From a fetch that another request began.
    Shared,
    /// From the upstream, and not kept, for this reason.
    Bypass(Reason),
}

/// Why an answer came past the cache.
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
    /// The answer depends on a field of this request.
    Vary,
    /// The answer is none that is kept: another status than 200.
    Status,
    /// The answer forbids it: `private`, `no-store`, `Set-Cookie`.
    Forbidden,
    /// The answer is encoded, has no end that can be told, or nothing that it can be checked by.
    NotStorable,
    /// Each use must be authorised, and the answer has no strong ETag by which that can be done.
    NoStrongValidator,
    /// The answer has more header fields than are kept.
    TooManyFields,
    /// The upstream does not let this caller have it, or did not consent.
    NotAuthorised,
    /// The cache could not serve or keep it; the log says why.
    CacheFailed,
}

impl Reason {
    /// The word for it, in headers, metrics and the log.
    pub fn word(self) -> &'static str {
        match self {
            Reason::Method => "method",
            Reason::Personal => "personal",
            Reason::CredentialInQuery => "credential-in-query",
            Reason::Request => "request",
            Reason::Path => "path",
            Reason::Partial => "partial",
            Reason::Vary => "vary",
            Reason::Status => "status",
            Reason::Forbidden => "forbidden",
            Reason::NotStorable => "not-storable",
            Reason::NoStrongValidator => "no-strong-validator",
            Reason::TooManyFields => "too-many-fields",
            Reason::NotAuthorised => "not-authorised",
            Reason::CacheFailed => "cache-failed",
        }
    }

    /// The word that RFC 9211, 2.2, has for it.
    fn forwarded(self) -> &'static str {
        match self {
            Reason::Method => "method",
            Reason::Request | Reason::Personal | Reason::CredentialInQuery => "request",
            Reason::Vary => "vary-miss",
            Reason::Partial => "partial",
            Reason::Path | Reason::CacheFailed => "bypass",
            _ => "uri-miss",
        }
    }
}

impl CacheStatus {
    /// Where the bytes came from; nothing where the request was not about an image.
    pub fn x_cache(self) -> Option<XCache> {
        match self {
            CacheStatus::Hit | CacheStatus::Revalidated => Some(XCache::Hit),
            CacheStatus::Miss | CacheStatus::Changed => Some(XCache::Miss),
            CacheStatus::Shared => Some(XCache::Shared),
            CacheStatus::Bypass(Reason::Method) => None,
            CacheStatus::Bypass(_) => Some(XCache::Bypass),
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
                format!("image-cache; fwd={}; detail={}", reason.forwarded(), reason.word())
            }
        }
    }

    /// Whether the bytes of an answer are kept as they come, by its own fetch or by another one.
    pub fn is_fetch<B>(response: &Response<B>) -> bool {
        let from = CacheStatus::of(response).and_then(CacheStatus::x_cache);
        matches!(from, Some(XCache::Miss | XCache::Shared))
    }

    /// What is known of an answer: nothing of one that the cache had no part in.
    pub fn of<B>(response: &Response<B>) -> Option<CacheStatus> {
        response.extensions().get().copied()
    }

    /// Says it of an answer. What an upstream says of its own cache under the same names is another matter.
    pub fn mark<B>(self, mut response: Response<B>) -> Response<B> {
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes what is known of an answer into its header, once, when it leaves.
pub fn write<B>(response: &mut Response<B>) {
    let Some(status) = CacheStatus::of(response) else { return };
    let headers = response.headers_mut();
    via::add(headers, Version::HTTP_11);
    if let Ok(described) = HeaderValue::try_from(status.described()) {
        headers.append(CACHE_STATUS, described);
    }
    if let Some(from) = status.x_cache() {
        headers.insert(X_CACHE, HeaderValue::from_static(from.name()));
    }
}
