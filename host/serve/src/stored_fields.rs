//! The header fields of a stored response: which of them are kept, which a 304 updates, and how many there may be.

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use std::sync::OnceLock;

/// More fields than this are no image's.
const MOST_FIELDS: usize = 100;

/// More bytes of names and values than this are no image's.
const MOST_BYTES: usize = 32 << 10;

/// Fields of one response only, or written anew for each. Fields of a connection are gone before a response is stored.
const NOT_STORED: [HeaderName; 11] = [
    header::ACCEPT_RANGES,
    header::AGE,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::PROXY_AUTHENTICATE,
    header::SET_COOKIE,
    header::TRAILER,
    HeaderName::from_static("cache-status"),
    HeaderName::from_static("proxy-authentication-info"),
    HeaderName::from_static("x-cache"),
    HeaderName::from_static("x-openstack-request-id"),
];

/// What describes the stored bytes: a 304, which brings none, cannot change it (RFC 9111, 3.2).
const OF_THE_BYTES: [HeaderName; 3] =
    [header::CONTENT_ENCODING, header::ETAG, HeaderName::from_static("content-md5")];

/// The fields of a stored response, in order; a name may stand several times.
///
/// A value is text in which each character is one byte of the field (ISO 8859-1), so that any field can be repeated as it
/// came.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StoredFields {
    fields: Vec<(String, String)>,
    /// The same as they are sent, made when they are first asked for.
    #[serde(skip)]
    map: OnceLock<HeaderMap>,
}

impl PartialEq for StoredFields {
    fn eq(&self, other: &StoredFields) -> bool {
        self.fields == other.fields
    }
}

impl Eq for StoredFields {}

impl StoredFields {
    /// The fields of a response.
    pub fn of(headers: &HeaderMap) -> StoredFields {
        let mut fields = StoredFields::default();
        for name in headers.keys().filter(|name| !NOT_STORED.contains(name)) {
            fields.add(name, headers);
        }
        fields
    }

    /// Takes over what a 304 says.
    pub fn update(&mut self, headers: &HeaderMap) {
        for name in headers.keys() {
            if !OF_THE_BYTES.contains(name) && !NOT_STORED.contains(name) {
                self.remove(name);
                self.add(name, headers);
            }
        }
    }

    fn add(&mut self, name: &HeaderName, headers: &HeaderMap) {
        self.map.take();
        for value in headers.get_all(name) {
            let text = value.as_bytes().iter().copied().map(char::from).collect();
            self.fields.push((name.as_str().to_owned(), text));
        }
    }

    fn remove(&mut self, name: &HeaderName) {
        self.map.take();
        self.fields.retain(|(known, _)| known != name.as_str());
    }

    /// Sets a field to one value.
    pub fn set(&mut self, name: &HeaderName, value: &str) {
        self.remove(name);
        self.fields.push((name.as_str().to_owned(), value.to_owned()));
    }

    /// A field's first line.
    pub fn get(&self, name: &HeaderName) -> Option<&str> {
        let known = self.fields.iter().find(|(known, _)| known == name.as_str());
        known.map(|(_, value)| value.as_str())
    }

    /// As they are sent.
    pub fn map(&self) -> &HeaderMap {
        self.map.get_or_init(|| {
            let mut headers = HeaderMap::new();
            // What lies on disk may have any number.
            for (name, value) in self.fields.iter().take(2 * MOST_FIELDS) {
                if let (Ok(name), Some(value)) = (name.parse::<HeaderName>(), value_of(value)) {
                    headers.append(name, value);
                }
            }
            headers
        })
    }
}

fn value_of(text: &str) -> Option<HeaderValue> {
    let bytes: Option<Vec<u8>> =
        text.chars().map(|byte| u8::try_from(u32::from(byte)).ok()).collect();
    HeaderValue::from_bytes(&bytes?).ok()
}

/// Whether a response's fields are few and small enough to be stored.
pub fn is_within_bounds(headers: &HeaderMap) -> bool {
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    headers.len() <= MOST_FIELDS && bytes <= MOST_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&'static str, &[u8])]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            let value = HeaderValue::from_bytes(value).expect("it is a value");
            headers.append(HeaderName::from_static(name), value);
        }
        headers
    }

    #[test]
    fn every_field_is_repeated_byte_for_byte_and_as_often_as_it_came() {
        let said =
            map(&[("x-name", b"caf\xe9"), ("link", b"<a>"), ("link", b"<b>"), ("age", b"3")]);
        let stored = serde_json::to_string(&StoredFields::of(&said)).expect("it is JSON");
        let stored: StoredFields = serde_json::from_str(&stored).expect("it can be read");
        let mut expected = said;
        expected.remove("age");
        assert_eq!(stored.map(), &expected);
    }

    #[test]
    fn a_304_replaces_what_it_says_but_nothing_that_describes_the_bytes() {
        let mut fields = StoredFields::of(&map(&[
            ("etag", b"\"a\""),
            ("x-b", b"1"),
            ("x-b", b"2"),
            ("x-c", b"3"),
        ]));
        fields.update(&map(&[("etag", b"\"b\""), ("x-b", b"4"), ("content-length", b"9")]));
        assert_eq!(fields.map(), &map(&[("etag", b"\"a\""), ("x-c", b"3"), ("x-b", b"4")]));
    }

    #[test]
    fn what_lies_on_disk_cannot_make_a_field_that_is_none() {
        let faulty = r#"[["x y", "a"], ["x-a", "b\r\nx: c"], ["x-b", "€"], ["x-c", "d"]]"#;
        let fields: StoredFields = serde_json::from_str(faulty).expect("it is JSON");
        assert_eq!(fields.map(), &map(&[("x-c", b"d")]));
    }
}
