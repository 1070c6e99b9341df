//! The stored response of an image: the fields of the upstream's response, and how long they are fresh.

#[cfg(test)]
mod tests;

use super::cache_control::{CacheControl, MOST_SECONDS, delta_seconds};
use super::os_hash::OsHash;
use super::stored_fields::StoredFields;
use headers::{Date, Expires, HeaderMapExt, IfModifiedSince, IfNoneMatch, LastModified};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use image_cache::{Checksum, ChecksumAlgorithm, Expected};
use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The MD5 of a body: in base64 (RFC 1864), or in hexadecimal, as Glance sends it.
pub const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");

/// The version of the format, and of the rules for storing. Earlier rules stored some responses that must not be shared: a
/// response with another version is revalidated before its next use.
const VERSION: u32 = 2;

/// File times may lag behind the clock by this much.
const COARSE: Duration = Duration::from_millis(100);

/// If a response is further in the future, the clock was wrong when it was stored.
const MOST_AHEAD: Duration = Duration::from_secs(60);

/// The stored response of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredResponse {
    /// The version of the rules by which it was stored.
    #[serde(default)]
    version: u32,
    /// Whether it must be revalidated before its next use, fresh or not: an unsafe method has changed the image.
    #[serde(default)]
    pub is_invalid: bool,
    /// The upstream from which it came.
    pub upstream: String,
    /// Bytes in the image, if known.
    pub size: Option<u64>,
    /// The MD5 of its bytes, in hexadecimal, if known.
    pub md5: Option<String>,
    /// Glance's further hash of its bytes, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os_hash: Option<OsHash>,
    /// When its fetch started.
    pub begun: Timestamp,
    /// The modification time of the cached file that it describes, if there is one.
    pub modified: Option<Timestamp>,
    /// When the upstream sent or last confirmed it, in seconds since the epoch.
    pub confirmed: u64,
    /// How old the response was then, in seconds.
    pub age: u64,
    /// The fields that are sent again.
    headers: StoredFields,
}

/// A time in seconds and nanoseconds since the epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Timestamp(u64, u32);

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Timestamp {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(since.as_secs(), since.subsec_nanos())
    }
}

impl StoredResponse {
    /// The stored response for a response that has just arrived.
    pub fn new(
        upstream: &str,
        headers: &HeaderMap,
        size: Option<u64>,
        md5: Option<String>,
    ) -> StoredResponse {
        let mut stored = StoredResponse {
            version: VERSION,
            upstream: upstream.to_owned(),
            size,
            md5,
            begun: (SystemTime::now() - COARSE).into(),
            headers: StoredFields::of(headers),
            ..StoredResponse::default()
        };
        stored.restart_age(headers);
        stored
    }

    /// Updates it from a 304, which confirms the rest (RFC 9111, 3.2).
    pub fn confirm(&mut self, headers: &HeaderMap) {
        (self.version, self.is_invalid) = (VERSION, false);
        self.headers.update(headers);
        self.restart_age(headers);
    }

    fn restart_age(&mut self, headers: &HeaderMap) {
        let now = SystemTime::now();
        self.confirmed = Timestamp::from(now).0;
        let date = headers.typed_get::<Date>();
        if date.is_none() {
            // An earlier date would count as that of these fields, and Expires would be later than meant.
            self.headers.set_date(now);
        }
        let apparent = date
            .and_then(|date| now.duration_since(date.into()).ok())
            .map_or(0, |since| since.as_secs());
        self.age = said_age(headers).max(apparent).min(MOST_SECONDS);
    }

    /// Whether it was stored by earlier rules.
    pub fn is_outdated(&self) -> bool {
        self.version != VERSION
    }

    /// Its Cache-Control.
    pub fn cache_control(&self) -> CacheControl {
        CacheControl::of(self.headers())
    }

    /// Adds Glance's fields of an image whose MD5 is known, and an ETag, which Glance does not send.
    pub fn add_glance_fields(&mut self) {
        self.headers.add_missing(header::CONTENT_TYPE, "application/octet-stream");
        if let Some(md5) = &self.md5 {
            self.headers.add_missing(header::ETAG, &format!("\"{md5}\""));
            self.headers.add_missing(CONTENT_MD5, md5);
        }
    }

    /// The ETag, if it is strong.
    pub fn strong_etag(&self) -> Option<&HeaderValue> {
        self.header(&header::ETAG).filter(|etag| is_strong(etag))
    }

    /// The Last-Modified, if it is a strong validator: it is earlier than the response, and there is no weak ETag, which
    /// would contradict it (RFC 9110, 8.8.2.2).
    fn strong_date(&self) -> Option<&HeaderValue> {
        let modified: SystemTime = self.headers().typed_get::<LastModified>()?.into();
        let is_before = modified + Duration::from_secs(1) <= self.date();
        let is_weak = self.header(&header::ETAG).is_some() && self.strong_etag().is_none();
        self.header(&header::LAST_MODIFIED).filter(|_| is_before && !is_weak)
    }

    /// Whether a response has the same bytes: a strong validator or a checksum proves it, and nothing contradicts it.
    pub fn matches(&self, headers: &HeaderMap) -> bool {
        let is_same = |name: &HeaderName, known: Option<&HeaderValue>| {
            known.is_some() && known == headers.get(name)
        };
        self.is_compatible_with(headers)
            && (is_same(&header::ETAG, self.strong_etag())
                || is_same(&CONTENT_MD5, self.header(&CONTENT_MD5))
                || (is_same(&header::LAST_MODIFIED, self.strong_date())
                    && self.header(&header::ETAG).is_none()
                    && !headers.contains_key(header::ETAG)))
    }

    /// Whether a response may be for the same image. If both have an ETag, it takes precedence over a date,
    /// which may differ between the nodes of a server.
    pub fn is_compatible_with(&self, headers: &HeaderMap) -> bool {
        let is_denied = |name: &HeaderName, value: fn(&[u8]) -> &[u8]| {
            let said = headers.get(name).map(|said| value(said.as_bytes()));
            let known = self.header(name).map(|known| value(known.as_bytes()));
            known.zip(said).map(|(known, said)| known != said)
        };
        let by_etag = is_denied(&header::ETAG, |etag| etag.strip_prefix(b"W/").unwrap_or(etag));
        let by_date = || is_denied(&header::LAST_MODIFIED, |date| date);
        let by_md5 = is_denied(&CONTENT_MD5, |md5| md5);
        by_md5 != Some(true) && by_etag.or_else(by_date) != Some(true)
    }

    /// The first line of a stored field.
    pub fn header(&self, name: &HeaderName) -> Option<&HeaderValue> {
        self.headers().get(name)
    }

    /// The fields that are sent again.
    pub fn headers(&self) -> &HeaderMap {
        self.headers.map()
    }

    /// Whether an If-Range matches this image, by a strong validator (RFC 9110, 13.1.5).
    pub fn matches_if_range(&self, validator: &[u8]) -> bool {
        let known = [self.strong_etag(), self.strong_date()];
        known.into_iter().flatten().any(|known| known.as_bytes() == validator)
    }

    /// Whether a client with these headers already has the image.
    pub fn is_not_modified_for(&self, headers: &HeaderMap) -> bool {
        let ours = self.headers();
        if let Some(known) = headers.typed_get::<IfNoneMatch>() {
            let etag = ours.typed_get::<headers::ETag>();
            return etag.is_some_and(|etag| !known.precondition_passes(&etag));
        }
        let since = headers.typed_get::<IfModifiedSince>();
        let modified = ours.typed_get::<LastModified>();
        match (since, modified) {
            (Some(since), Some(modified)) => !since.is_modified(modified.into()),
            _ => false,
        }
    }

    /// Whether it describes the cached file with this size and time.
    pub fn belongs_to(&self, size: u64, modified: Timestamp) -> bool {
        self.size == Some(size) && self.modified == Some(modified)
    }

    /// How old the response is now.
    pub fn age(&self, now: SystemTime) -> Duration {
        let since = Timestamp::from(now).0.saturating_sub(self.confirmed);
        Duration::from_secs(self.age.saturating_add(since).min(MOST_SECONDS))
    }

    /// Whether the image may be served without a request to the upstream, now and for `longer`.
    pub fn is_fresh(&self, now: SystemTime, longer: Duration) -> bool {
        let is_ahead = self.confirmed > Timestamp::from(now).0.saturating_add(MOST_AHEAD.as_secs());
        let control = self.cache_control();
        if self.is_invalid || self.is_outdated() || is_ahead {
            return false;
        }
        if control.no_cache || control.forbids_sharing() {
            return false;
        }
        let lifetime = control.lifetime().or_else(|| self.until_expiry());
        lifetime.is_some_and(|lifetime| lifetime > self.age(now).saturating_add(longer))
    }

    /// The freshness of a response with Expires; if that is malformed or occurs twice, the response has expired.
    fn until_expiry(&self) -> Option<Duration> {
        let headers = self.headers();
        if headers.get_all(header::EXPIRES).iter().count() > 1 {
            return None;
        }
        let expires: SystemTime = headers.typed_get::<Expires>()?.into();
        expires.duration_since(self.date()).ok()
    }

    /// When the upstream sent it, or else when it arrived.
    fn date(&self) -> SystemTime {
        let confirmed = UNIX_EPOCH + Duration::from_secs(self.confirmed.min(MOST_MOMENT));
        self.headers().typed_get::<Date>().map_or(confirmed, SystemTime::from)
    }

    /// What the bytes of the image must match; an invalid checksum is ignored.
    pub fn expected(&self) -> Expected {
        let md5 = self.md5.as_deref();
        let md5 = md5.and_then(|md5| Checksum::new(ChecksumAlgorithm::Md5, md5).ok());
        let os_hash = self.os_hash.as_ref().and_then(OsHash::checksum);
        let mut expected = Expected::nothing();
        expected.size = self.size;
        os_hash.into_iter().chain(md5).fold(expected, Expected::with_checksum)
    }
}

/// A time that every clock can represent, some centuries from now: a file on disk may contain any number.
const MOST_MOMENT: u64 = 1 << 34;

/// Whether an ETag is strong.
pub fn is_strong(etag: &HeaderValue) -> bool {
    let etag = etag.as_bytes();
    etag.len() >= 2 && etag.starts_with(b"\"") && etag.ends_with(b"\"")
}

/// The age in a response; if it is malformed or occurs twice, the maximum.
fn said_age(headers: &HeaderMap) -> u64 {
    let mut lines = headers.get_all(header::AGE).iter();
    match (lines.next(), lines.next()) {
        (None, _) => 0,
        (Some(line), None) => delta_seconds(line.as_bytes().trim_ascii()).unwrap_or(MOST_SECONDS),
        _ => MOST_SECONDS,
    }
}
