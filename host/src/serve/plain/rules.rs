//! HTTP's rules for shared caches, as far as they are about headers (RFC 9110 and 9111).

use crate::serve::label::Label;
use crate::serve::upstream::IsFramed;
use headers::{CacheControl, HeaderMapExt};
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use std::time::{Duration, SystemTime};

/// Conditions that only the upstream can judge.
const CONDITIONS: [HeaderName; 2] = [header::IF_MATCH, header::IF_UNMODIFIED_SINCE];

/// What makes an answer one for this caller alone.
const PERSONAL: [HeaderName; 2] = [header::AUTHORIZATION, header::COOKIE];

/// Whether a request may be answered with what others were answered.
pub fn may_be_shared(headers: &HeaderMap, authorises: bool) -> bool {
    let is_personal = PERSONAL.iter().any(|name| headers.contains_key(name));
    let is_conditional = CONDITIONS.iter().any(|name| headers.contains_key(name));
    let control = headers.typed_get::<CacheControl>();
    let is_secret = control.is_some_and(|control| control.no_store());
    let is_judged = !is_personal || authorises;
    is_judged && !is_conditional && !is_secret
}

/// Whether the caller takes a cached image as fresh: it may want one that is younger, or stays fresh for longer.
pub fn is_fresh_for(headers: &HeaderMap, label: &Label) -> bool {
    let control = headers.typed_get::<CacheControl>().unwrap_or_else(CacheControl::new);
    let now = SystemTime::now();
    let is_young = control.max_age().is_none_or(|most| label.age(now) <= most);
    is_young && label.is_fresh(now + control.min_fresh().unwrap_or_default())
}

/// Whether the caller wants nothing that has to be asked for.
pub fn is_only_if_cached(headers: &HeaderMap) -> bool {
    headers.typed_get::<CacheControl>().is_some_and(|control| control.only_if_cached())
}

/// Whether the caller does not take what was not checked just now.
pub fn wants_fresh(headers: &HeaderMap) -> bool {
    let control = headers.typed_get::<CacheControl>();
    let says_so = control
        .as_ref()
        .is_some_and(|control| control.no_cache() || control.max_age() == Some(Duration::ZERO));
    says_so || (control.is_none() && headers.contains_key(header::PRAGMA))
}

/// What asks the upstream for an image only if it is another one.
pub fn conditions(label: &Label) -> HeaderMap {
    let known =
        [(header::IF_NONE_MATCH, header::ETAG), (header::IF_MODIFIED_SINCE, header::LAST_MODIFIED)];
    let condition = |(condition, validator)| {
        Some((condition, HeaderValue::from_str(label.header(&validator)?).ok()?))
    };
    known.into_iter().filter_map(condition).collect()
}

/// Whether an answer may be kept for others.
pub fn may_be_kept(response: &Response<Incoming>) -> bool {
    let headers = response.headers();
    let control = headers.typed_get::<CacheControl>();
    let is_secret = control.is_some_and(|control| control.no_store() || control.private());
    let varies = [header::VARY, header::SET_COOKIE, header::CONTENT_ENCODING]
        .iter()
        .any(|name| headers.contains_key(name));
    let is_framed = response.extensions().get() == Some(&IsFramed(true));
    let can_be_checked =
        [header::ETAG, header::LAST_MODIFIED, header::CACHE_CONTROL, header::EXPIRES]
            .iter()
            .any(|name| headers.contains_key(name));
    response.status() == StatusCode::OK && !is_secret && !varies && is_framed && can_be_checked
}

/// An MD5 in hexadecimal, of a header that has it so or in base64.
pub fn md5_of(value: &HeaderValue) -> Option<String> {
    let text = value.to_str().ok()?.trim();
    if text.len() == 32 && text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Some(text.to_ascii_lowercase());
    }
    // 16 bytes are 22 digits and two signs of padding.
    let digits = text.strip_suffix("==").filter(|digits| digits.len() == 22)?;
    let value = |digit: u8| match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let (mut bytes, mut bits, mut held) = (Vec::with_capacity(16), 0_u32, 0);
    for digit in digits.bytes() {
        (bits, held) = (bits << 6 | u32::from(value(digit)?), held + 6);
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    Some(hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_md5_is_understood_in_both_its_forms() {
        let md5 = |text| md5_of(&HeaderValue::from_static(text));
        let empty = Some("d41d8cd98f00b204e9800998ecf8427e".to_owned());
        assert_eq!(md5("1B2M2Y8AsgTpgAmY7PhCfg=="), empty);
        assert_eq!(md5("D41D8CD98F00B204E9800998ECF8427E"), empty);
        for other in
            ["", "1B2M2Y8AsgTpgAmY7PhCfg", "1B2M2Y8AsgTpgAmY7PhCf===", "1B2M2Y8AsgTpgAmY7PhC!g=="]
        {
            assert_eq!(md5(other), None, "{other}");
        }
    }
}
