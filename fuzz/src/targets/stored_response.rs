//! A stored response, from an upstream or from disk, at any time: nothing panics, a prohibition never ends,
//! it does not become younger, and it is fresh only as long as a second calculation says.

use super::super::stored_response::StoredResponse;
use hyper::header;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// RFC 9111, 1.2.2.
const MOST_SECONDS: u128 = 1 << 31;

/// Maximum difference between clocks.
const MOST_AHEAD: u128 = 60;

/// Eight bytes for the clock's seconds, eight for the additional freshness that a client wants; then a response's header lines,
/// an empty line, and those of a 304; or a file on disk, which begins with a brace.
pub fn check(data: &[u8]) {
    let Some((now, rest)) = data.split_first_chunk::<8>() else { return };
    let Some((longer, rest)) = rest.split_first_chunk::<8>() else { return };
    let (now, longer) = (u64::from_le_bytes(*now), u64::from_le_bytes(*longer));
    if rest.starts_with(b"{") {
        let Ok(mut stored) = serde_json::from_slice::<StoredResponse>(rest) else { return };
        look(&stored, now, longer);
        stored.add_glance_fields();
        look(&stored, now, longer);
        return;
    }
    let (answer, confirmation) = halves(rest);
    let mut stored = StoredResponse::new("http://origin", &super::headers(answer), Some(1), None);
    look(&stored, now, longer);
    is_the_same_from_disk(&stored);
    let confirmation = super::headers(confirmation);
    let agrees = stored.matches(&confirmation);
    assert!(!agrees || stored.is_compatible_with(&confirmation), "it agrees and is refused");
    stored.confirm(&confirmation);
    look(&stored, now, longer);
    is_the_same_from_disk(&stored);
    for name in [header::SET_COOKIE, header::CONTENT_LENGTH, header::CONTENT_RANGE, header::AGE] {
        assert!(stored.header(&name).is_none(), "{name} of another response is sent");
    }
}

fn halves(lines: &[u8]) -> (&[u8], &[u8]) {
    let end = lines.windows(2).position(|bytes| bytes == b"\n\n").unwrap_or(lines.len());
    lines.split_at(end)
}

fn look(stored: &StoredResponse, now: u64, longer: u64) {
    let clock = |seconds: u64| UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
    // A time that the system cannot represent is not used.
    let Some(at) = clock(now) else { return };
    let is_fresh = |at: SystemTime| stored.is_fresh(at, Duration::from_secs(longer));
    let fresh = is_fresh(at);
    if fresh {
        let control = stored.cache_control();
        assert!(!control.forbids_sharing() && !control.no_cache, "{control:?} is fresh");
        assert!(!stored.is_invalid && !stored.is_outdated(), "it is fresh but unusable");
        let (now, confirmed) = (u128::from(now), u128::from(stored.confirmed));
        assert!(confirmed <= now + MOST_AHEAD, "it is fresh but from the future");
        let age = u128::from(stored.age) + now.saturating_sub(confirmed);
        let lifetime =
            control.lifetime().map_or(MOST_SECONDS, |lifetime| u128::from(lifetime.as_secs()));
        // If only Expires sets the lifetime, dates have a year of four digits.
        let lifetime = if control.lifetime().is_none() { lifetime.max(1 << 39) } else { lifetime };
        assert!(age.min(MOST_SECONDS) + u128::from(longer) < lifetime, "fresh at {age} s");
    }
    // From this time on, it only becomes older.
    let is_known = now >= stored.confirmed;
    if let Some(later) = now.checked_add(1).and_then(clock).filter(|_| is_known) {
        assert!(fresh || !is_fresh(later), "it became fresh by waiting");
        assert!(stored.age(later) >= stored.age(at), "it became younger by waiting");
    }
    for validator in [b"W/\"a\"".as_slice(), b"W/\"\"", b"\"a", b""] {
        assert!(!stored.matches_if_range(validator), "a weak validator proves nothing");
    }
    stored.is_not_modified_for(stored.headers());
    assert!(stored.strong_etag().is_none_or(|etag| !etag.as_bytes().starts_with(b"W/")));
}

fn is_the_same_from_disk(stored: &StoredResponse) {
    let json = serde_json::to_vec(stored).expect("valid JSON");
    let read: StoredResponse = serde_json::from_slice(&json).expect("it is valid");
    assert_eq!((&read, read.headers()), (stored, stored.headers()));
}
