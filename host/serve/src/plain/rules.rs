//! HTTP's rules for shared caches that concern header fields (RFC 9110 and 9111), as functions without side effects.

use crate::cache_control::{CacheControl, elements};
use crate::cache_status::Reason;
use crate::request_fields::RequestFields;
use crate::stored_fields;
use crate::stored_response::{StoredResponse, is_strong};
use crate::upstream::IsFramed;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode, header};
use std::time::{Duration, SystemTime};

/// Conditions that only the upstream can evaluate.
const CONDITIONS: [HeaderName; 2] = [header::IF_MATCH, header::IF_UNMODIFIED_SINCE];

/// Fields that a response sets for one client only.
const COOKIES: [HeaderName; 2] = [header::SET_COOKIE, HeaderName::from_static("set-cookie2")];

/// Whether a client with these directives accepts a stored response without revalidation: it may want one that is younger, or
/// fresh longer.
pub fn accepts(directives: &CacheControl, stored: &StoredResponse) -> bool {
    let now = SystemTime::now();
    let is_young = directives.max_age.is_none_or(|most| stored.age(now) <= most);
    !requires_validation(directives)
        && is_young
        && stored.is_fresh(now, directives.min_fresh.unwrap_or_default())
}

/// Whether a client with these directives requires revalidation.
pub fn requires_validation(directives: &CacheControl) -> bool {
    directives.no_cache || directives.max_age == Some(Duration::ZERO)
}

/// Why a request must not get a shared response; `None` if it may.
pub fn bypass(headers: &HeaderMap, fields: &RequestFields) -> Option<Reason> {
    if fields.is_personal(headers) && !fields.authorises {
        return Some(Reason::Personal);
    }
    let is_conditional = CONDITIONS.iter().any(|name| headers.contains_key(name));
    let is_secret = CacheControl::of(headers).no_store;
    (is_conditional || is_secret).then_some(Reason::Request)
}

/// The conditions with which the upstream sends an image only if it has changed. If the result authorises the client, only a
/// strong ETag is usable: another user's image may have the same date.
pub fn conditions(stored: &StoredResponse, authorises: bool) -> HeaderMap {
    let etag = stored.header(&header::ETAG).filter(|etag| !authorises || is_strong(etag));
    let date = stored.header(&header::LAST_MODIFIED).filter(|_| !authorises);
    let condition = |name, value: Option<&HeaderValue>| Some((name, value?.clone()));
    let all = [condition(header::IF_NONE_MATCH, etag), condition(header::IF_MODIFIED_SINCE, date)];
    all.into_iter().flatten().collect()
}

/// Whether a response may be stored for other clients; the reason if not.
pub fn storable<B>(response: &Response<B>, fields: &RequestFields) -> Result<(), Reason> {
    let headers = response.headers();
    if response.status() != StatusCode::OK {
        return Err(Reason::Status);
    }
    sharing(headers, fields)?;
    if response.extensions().get() != Some(&IsFramed(true)) {
        return Err(Reason::NotStorable);
    }
    if !stored_fields::are_storable(headers) {
        return Err(Reason::TooManyFields);
    }
    let stored = StoredResponse::new("", headers, None, None);
    let can_be_checked = stored.is_fresh(SystemTime::now(), Duration::ZERO)
        || !conditions(&stored, false).is_empty();
    if !can_be_checked {
        return Err(Reason::NotStorable);
    }
    if fields.authorises && stored.strong_etag().is_none() {
        return Err(Reason::NoStrongValidator);
    }
    Ok(())
}

/// Whether the fields of a response allow sharing it; the reason if not.
pub fn sharing(headers: &HeaderMap, fields: &RequestFields) -> Result<(), Reason> {
    let sets_cookies = COOKIES.iter().any(|name| headers.contains_key(name));
    if CacheControl::of(headers).forbids_sharing() || sets_cookies {
        return Err(Reason::Forbidden);
    }
    let differs =
        |name: Option<HeaderName>| name.is_none_or(|name| fields.makes_fetches_differ(&name));
    if varied(headers).any(differs) {
        return Err(Reason::Vary);
    }
    if stored_fields::are_encoded(headers) {
        return Err(Reason::NotStorable);
    }
    Ok(())
}

/// Whether a stored response fits this request: shared fetches do not forward all of its fields. Their encoding is always
/// `identity`, which all clients can read.
pub fn is_variant_for(stored: &HeaderMap, request: &HeaderMap) -> bool {
    varied(stored).flatten().all(|name| {
        name == header::ACCEPT_ENCODING || name == header::HOST || !request.contains_key(name)
    })
}

/// The fields on which a response varies; `None` for an invalid name such as `*`.
fn varied(headers: &HeaderMap) -> impl Iterator<Item = Option<HeaderName>> {
    let lines = headers.get_all(header::VARY).iter();
    let names = lines.flat_map(|line| elements(line.as_bytes()));
    names.map(|name| HeaderName::from_bytes(name).ok().filter(|name| name.as_str() != "*"))
}
