//! What the origin said of an image with its bytes: validators, type, and how long that holds.

use headers::{CacheControl, Expires, HeaderMapExt, IfModifiedSince, IfNoneMatch};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What a cached image's answer repeats of the origin's.
const REPEATED: [HeaderName; 9] = [
    header::CACHE_CONTROL,
    header::CONTENT_DISPOSITION,
    header::CONTENT_LANGUAGE,
    CONTENT_MD5,
    header::CONTENT_TYPE,
    header::DATE,
    header::ETAG,
    header::EXPIRES,
    header::LAST_MODIFIED,
];

/// The MD5 of a body: in base64 (RFC 1864), or in hexadecimal, as Glance has it.
pub const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");

/// The times of files come from a clock that lags behind by so much at most.
const COARSE: Duration = Duration::from_millis(100);

/// What the origin said of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// The server that it came from.
    pub upstream: String,
    /// Bytes in the image, where that is known.
    pub size: Option<u64>,
    /// The MD5 of its bytes, in hexadecimal, where that is known.
    pub md5: Option<String>,
    /// When its fetch began.
    pub begun: Moment,
    /// The time of the cached file that it belongs to, once there is one.
    pub modified: Option<Moment>,
    /// When the origin said so, or last confirmed it; in seconds since the epoch.
    pub confirmed: u64,
    /// How old the answer was then, in seconds.
    pub age: u64,
    /// The headers that are repeated.
    pub headers: Vec<(String, String)>,
}

/// A time in seconds and nanoseconds since the epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Moment(u64, u32);

impl From<SystemTime> for Moment {
    fn from(time: SystemTime) -> Moment {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Moment(since.as_secs(), since.subsec_nanos())
    }
}

impl Label {
    /// Of an answer that has just come.
    pub fn of(
        upstream: &str,
        headers: &HeaderMap,
        size: Option<u64>,
        md5: Option<String>,
    ) -> Label {
        let mut label = Label {
            upstream: upstream.to_owned(),
            size,
            md5,
            begun: (SystemTime::now() - COARSE).into(),
            ..Label::default()
        };
        label.confirm(headers);
        label
    }

    /// Takes over what an answer says, which confirms the rest.
    pub fn confirm(&mut self, headers: &HeaderMap) {
        self.confirmed = Moment::from(SystemTime::now()).0;
        let age = headers.get(header::AGE).and_then(|age| age.to_str().ok()?.trim().parse().ok());
        self.age = age.unwrap_or(0);
        for name in &REPEATED {
            if let Some(value) = headers.get(name).and_then(|value| value.to_str().ok()) {
                self.set(name, value);
            }
        }
    }

    /// Adds what Glance says of an image whose MD5 is known, and an ETag, which it does not give.
    pub fn describe_as_glance(&mut self) {
        if self.header(&header::CONTENT_TYPE).is_none() {
            self.set(&header::CONTENT_TYPE, "application/octet-stream");
        }
        let Some(md5) = self.md5.clone() else { return };
        if self.header(&header::ETAG).is_none() {
            self.set(&header::ETAG, &format!("\"{md5}\""));
        }
        if self.header(&CONTENT_MD5).is_none() {
            self.set(&CONTENT_MD5, &md5);
        }
    }

    /// Whether an answer speaks of the same image, as far as both say; false where they have nothing in common.
    pub fn agrees(&self, headers: &HeaderMap) -> bool {
        let mut agrees = false;
        for name in [header::ETAG, CONTENT_MD5, header::LAST_MODIFIED] {
            let said = headers.get(&name).and_then(|value| value.to_str().ok());
            let (Some(known), Some(said)) = (self.header(&name), said) else { continue };
            if known != said {
                return false;
            }
            agrees |= !known.starts_with("W/");
        }
        agrees
    }

    /// Whether an answer does not say that it is of another image.
    pub fn is_not_denied(&self, headers: &HeaderMap) -> bool {
        [header::ETAG, CONTENT_MD5, header::LAST_MODIFIED].iter().all(|name| {
            let said = headers.get(name).map(HeaderValue::as_bytes);
            let known = self.header(name).map(str::as_bytes);
            known.is_none() || said.is_none() || known == said
        })
    }

    /// Sets a header that is repeated.
    pub fn set(&mut self, name: &HeaderName, value: &str) {
        self.headers.retain(|(known, _)| known != name.as_str());
        self.headers.push((name.as_str().to_owned(), value.to_owned()));
    }

    /// A header that is repeated.
    pub fn header(&self, name: &HeaderName) -> Option<&str> {
        let known = self.headers.iter().find(|(known, _)| known == name.as_str());
        known.map(|(_, value)| value.as_str())
    }

    /// The headers that are repeated.
    pub fn repeated(&self) -> HeaderMap {
        let header = |(name, value): &(String, String)| {
            Some((name.parse::<HeaderName>().ok()?, HeaderValue::from_str(value).ok()?))
        };
        self.headers.iter().filter_map(header).collect()
    }

    /// Whether an If-Range names this very image.
    pub fn is_same(&self, validator: &[u8]) -> bool {
        let strong = |etag: &&str| !etag.starts_with("W/");
        let etag = self.header(&header::ETAG).filter(strong);
        let known = [etag, self.header(&header::LAST_MODIFIED)];
        known.into_iter().flatten().any(|known| known.as_bytes() == validator)
    }

    /// Whether a caller with these headers has the image already.
    pub fn is_known_to(&self, headers: &HeaderMap) -> bool {
        let ours = self.repeated();
        if let Some(known) = headers.typed_get::<IfNoneMatch>() {
            let etag = ours.typed_get::<headers::ETag>();
            return etag.is_some_and(|etag| !known.precondition_passes(&etag));
        }
        let since = headers.typed_get::<IfModifiedSince>();
        let modified = ours.typed_get::<headers::LastModified>();
        match (since, modified) {
            (Some(since), Some(modified)) => !since.is_modified(modified.into()),
            _ => false,
        }
    }

    /// Whether the cached file of this size and time is the one that it belongs to.
    pub fn fits(&self, size: u64, modified: Moment) -> bool {
        self.size == Some(size) && self.modified == Some(modified)
    }

    /// How old the answer is now.
    pub fn age(&self, now: SystemTime) -> Duration {
        let since = Moment::from(now).0.saturating_sub(self.confirmed);
        Duration::from_secs(self.age.saturating_add(since))
    }

    /// Whether the image may be served without asking the origin.
    pub fn is_fresh(&self, now: SystemTime) -> bool {
        let headers = self.repeated();
        let control = headers.typed_get::<CacheControl>();
        let forbids = |it: &CacheControl| it.no_cache() || it.no_store() || it.private();
        if control.as_ref().is_some_and(forbids) {
            return false;
        }
        let lifetime = control.and_then(|control| control.s_max_age().or(control.max_age()));
        lifetime.or_else(|| until_expiry(&headers)).is_some_and(|time| time > self.age(now))
    }
}

/// Of an answer that says when it expires; one that is malformed has expired.
fn until_expiry(headers: &HeaderMap) -> Option<Duration> {
    let expires: SystemTime = headers.typed_get::<Expires>()?.into();
    let date: SystemTime = headers.typed_get::<headers::Date>()?.into();
    expires.duration_since(date).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(headers: &[(&'static str, &str)]) -> Label {
        let header = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).expect("it is a header"))
        };
        Label::of("http://origin", &headers.iter().map(header).collect(), Some(1), None)
    }

    #[test]
    fn an_answer_is_fresh_as_long_as_it_says() {
        let in_seconds = |seconds| SystemTime::now() + Duration::from_secs(seconds);
        let hour = label(&[("cache-control", "public, max-age=3600")]);
        assert!(hour.is_fresh(in_seconds(3500)) && !hour.is_fresh(in_seconds(3601)));
        let shared = label(&[("cache-control", "max-age=0, s-maxage=60")]);
        assert!(shared.is_fresh(in_seconds(50)));
        let old = label(&[("cache-control", "max-age=60"), ("age", "59")]);
        assert!(!old.is_fresh(in_seconds(2)));
        let (date, expires) = ("Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:50:37 GMT");
        let expiring = label(&[("date", date), ("expires", expires)]);
        assert!(expiring.is_fresh(in_seconds(50)) && !expiring.is_fresh(in_seconds(61)));
        for never in
            ["no-cache", "max-age=0", "no-cache, max-age=60", "no-store, max-age=60", "public"]
        {
            assert!(!label(&[("cache-control", never)]).is_fresh(in_seconds(0)), "{never}");
        }
        assert!(!label(&[("etag", "\"a\"")]).is_fresh(in_seconds(0)));
        assert!(!label(&[("date", date), ("expires", "0")]).is_fresh(in_seconds(0)));
    }

    #[test]
    fn an_if_range_must_name_a_strong_validator() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let strong = label(&[("etag", "\"a\""), ("last-modified", date)]);
        assert!(strong.is_same(b"\"a\"") && strong.is_same(date.as_bytes()));
        assert!(!strong.is_same(b"\"b\"") && !strong.is_same(b"a"));
        assert!(!label(&[("etag", "W/\"a\"")]).is_same(b"W/\"a\""));
    }
}
