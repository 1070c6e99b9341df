//! HTTP's rules for shared caches, as far as they are about header fields (RFC 9110 and 9111): they decide, and do nothing.

use crate::cache_control::{CacheControl, elements};
use crate::cache_status::Reason;
use crate::request_fields::RequestFields;
use crate::stored_fields;
use crate::stored_response::{StoredResponse, is_strong};
use crate::upstream::IsFramed;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode, header};
use std::time::{Duration, SystemTime};

/// Conditions that only the upstream can judge.
const CONDITIONS: [HeaderName; 2] = [header::IF_MATCH, header::IF_UNMODIFIED_SINCE];

/// What a response sets for one client alone.
const COOKIES: [HeaderName; 2] = [header::SET_COOKIE, HeaderName::from_static("set-cookie2")];

/// Whether a caller with these directives takes a stored response without asking: it may want one that is younger, or stays
/// fresh longer.
pub fn accepts(directives: &CacheControl, stored: &StoredResponse) -> bool {
    let now = SystemTime::now();
    let is_young = directives.max_age.is_none_or(|most| stored.age(now) <= most);
    !requires_validation(directives)
        && is_young
        && stored.is_fresh(now, directives.min_fresh.unwrap_or_default())
}

/// Whether a caller with these directives does not take what was not checked just now.
pub fn requires_validation(directives: &CacheControl) -> bool {
    directives.no_cache || directives.max_age == Some(Duration::ZERO)
}

/// Why a request must not get a shared response; nothing if it may.
pub fn bypass(headers: &HeaderMap, fields: &RequestFields) -> Option<Reason> {
    if fields.is_personal(headers) && !fields.authorises {
        return Some(Reason::Personal);
    }
    let is_conditional = CONDITIONS.iter().any(|name| headers.contains_key(name));
    let is_secret = CacheControl::of(headers).no_store;
    (is_conditional || is_secret).then_some(Reason::Request)
}

/// What asks the upstream for an image only if it is another one. Where that decides whether a caller may have it, only a
/// strong ETag will do: what another user has may have the same date.
pub fn conditions(stored: &StoredResponse, authorises: bool) -> HeaderMap {
    let etag = stored.header(&header::ETAG).filter(|etag| !authorises || is_strong(etag));
    let date = stored.header(&header::LAST_MODIFIED).filter(|_| !authorises);
    let condition = |name, value: Option<&HeaderValue>| Some((name, value?.clone()));
    let all = [condition(header::IF_NONE_MATCH, etag), condition(header::IF_MODIFIED_SINCE, date)];
    all.into_iter().flatten().collect()
}

/// Whether a response may be stored for others; the reason if not.
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

/// Whether the fields of a response allow to share it; the reason if not.
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

/// Whether a stored response is one for this request: shared fetches do not carry all of its fields. Their encoding is
/// always the same, and anybody can read it.
pub fn is_variant_for(stored: &HeaderMap, request: &HeaderMap) -> bool {
    varied(stored).flatten().all(|name| {
        name == header::ACCEPT_ENCODING || name == header::HOST || !request.contains_key(name)
    })
}

/// The fields that a response depends on; nothing for what is no name, as `*`.
fn varied(headers: &HeaderMap) -> impl Iterator<Item = Option<HeaderName>> {
    let lines = headers.get_all(header::VARY).iter();
    let names = lines.flat_map(|line| elements(line.as_bytes()));
    names.map(|name| HeaderName::from_bytes(name).ok().filter(|name| name.as_str() != "*"))
}
