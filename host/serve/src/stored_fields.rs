//! The header fields of a stored response: which ones the cache keeps, which a 304 updates, and how many there may be.

use headers::{Date, HeaderMapExt};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use std::time::SystemTime;

/// The maximum number of fields.
const MOST_FIELDS: usize = 100;

/// The maximum size of names and values together.
const MOST_BYTES: usize = 32 << 10;

/// Fields of one response only, or written anew for each. Connection-specific fields are removed before a response is stored.
const NOT_STORED: [HeaderName; 13] = [
    header::ACCEPT_RANGES,
    header::AGE,
    HeaderName::from_static("authentication-info"),
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::PROXY_AUTHENTICATE,
    header::SET_COOKIE,
    HeaderName::from_static("set-cookie2"),
    header::TRAILER,
    HeaderName::from_static("cache-status"),
    HeaderName::from_static("proxy-authentication-info"),
    HeaderName::from_static("x-cache"),
    HeaderName::from_static("x-openstack-request-id"),
];

/// Fields that describe the stored bytes: a 304, which has no body, cannot change them (RFC 9111, 3.2).
const OF_THE_BYTES: [HeaderName; 3] =
    [header::CONTENT_ENCODING, header::ETAG, HeaderName::from_static("content-md5")];

/// The fields of a stored response; a name may occur several times.
///
/// On disk they are pairs of name and value. A value is text in which each character is one byte of the field (ISO 8859-1),
/// so that any field can be sent again unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(String, String)>", into = "Vec<(String, String)>")]
pub struct StoredFields(HeaderMap);

impl From<Vec<(String, String)>> for StoredFields {
    fn from(fields: Vec<(String, String)>) -> StoredFields {
        let mut headers = HeaderMap::new();
        // A file on disk may have any number of fields.
        for (name, value) in fields.iter().take(2 * MOST_FIELDS) {
            if let (Ok(name), Some(value)) = (name.parse::<HeaderName>(), value_of(value)) {
                headers.append(name, value);
            }
        }
        StoredFields(headers)
    }
}

impl From<StoredFields> for Vec<(String, String)> {
    fn from(fields: StoredFields) -> Vec<(String, String)> {
        let text = |value: &HeaderValue| value.as_bytes().iter().copied().map(char::from).collect();
        fields.0.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
    }
}

impl StoredFields {
    /// The fields of a response.
    pub fn of(headers: &HeaderMap) -> StoredFields {
        let kept = headers.iter().filter(|(name, _)| !NOT_STORED.contains(name));
        StoredFields(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    /// Applies the fields of a 304.
    pub fn update(&mut self, headers: &HeaderMap) {
        for name in headers.keys() {
            if !OF_THE_BYTES.contains(name) && !NOT_STORED.contains(name) {
                self.0.remove(name);
                let values = headers.get_all(name).iter();
                self.0.extend(values.map(|value| (name.clone(), value.clone())));
            }
        }
    }

    /// Sets the time at which a response was received, if its sender did not (RFC 9110, 6.6.1).
    pub fn set_date(&mut self, received: SystemTime) {
        self.0.typed_insert(Date::from(received));
    }

    /// Adds a field if there is none with this name.
    pub fn add_missing(&mut self, name: HeaderName, value: &str) {
        if let Ok(value) = value.parse() {
            self.0.entry(name).or_insert(value);
        }
    }

    /// The fields as they are sent.
    pub fn map(&self) -> &HeaderMap {
        &self.0
    }
}

fn value_of(text: &str) -> Option<HeaderValue> {
    let bytes: Option<Vec<u8>> =
        text.chars().map(|byte| u8::try_from(u32::from(byte)).ok()).collect();
    HeaderValue::from_bytes(&bytes?).ok()
}

/// Whether a response's fields are few and small enough to be stored.
pub fn are_storable(headers: &HeaderMap) -> bool {
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    headers.len() <= MOST_FIELDS && bytes <= MOST_BYTES
}

/// Whether the bytes of a response are encoded. Checksums and ranges refer to the plain file.
pub fn are_encoded(headers: &HeaderMap) -> bool {
    let is_identity = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    !headers.get_all(header::CONTENT_ENCODING).iter().all(is_identity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoding_is_found_in_any_line_and_in_any_case() {
        let name = "content-encoding";
        assert!(!are_encoded(&map(&[])));
        assert!(!are_encoded(&map(&[(name, b"Identity"), (name, b"identity")])));
        assert!(are_encoded(&map(&[(name, b"identity"), (name, b"gzip")])));
    }

    fn map(fields: &[(&'static str, &[u8])]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            let value = HeaderValue::from_bytes(value).expect("a valid value");
            headers.append(HeaderName::from_static(name), value);
        }
        headers
    }

    #[test]
    fn every_field_is_sent_again_unchanged_and_as_often_as_it_was_received() {
        let said =
            map(&[("x-name", b"caf\xe9"), ("link", b"<a>"), ("link", b"<b>"), ("age", b"3")]);
        let stored = serde_json::to_string(&StoredFields::of(&said)).expect("valid JSON");
        let stored: StoredFields = serde_json::from_str(&stored).expect("it is readable");
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
    fn a_file_on_disk_cannot_produce_an_invalid_field() {
        let faulty = r#"[["x y", "a"], ["x-a", "b\r\nx: c"], ["x-b", "€"], ["x-c", "d"]]"#;
        let fields: StoredFields = serde_json::from_str(faulty).expect("valid JSON");
        assert_eq!(fields.map(), &map(&[("x-c", b"d")]));
    }
}
