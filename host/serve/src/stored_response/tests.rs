use super::*;
use hyper::header::HeaderValue;

fn stored(headers: &[(&'static str, &str)]) -> StoredResponse {
    let header = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).expect("a valid header"))
    };
    StoredResponse::new("http://origin", &headers.iter().map(header).collect(), Some(1), None)
}

fn in_seconds(seconds: u64) -> SystemTime {
    SystemTime::now() + Duration::from_secs(seconds)
}

fn is_fresh(stored: &StoredResponse, in_seconds: SystemTime) -> bool {
    stored.is_fresh(in_seconds, Duration::ZERO)
}

fn http_date(time: SystemTime) -> String {
    let mut headers = HeaderMap::new();
    headers.typed_insert(Date::from(time));
    headers[header::DATE].to_str().expect("valid date").to_owned()
}

#[test]
fn a_response_is_fresh_for_its_stated_lifetime() {
    let hour = stored(&[("cache-control", "public, max-age=3600")]);
    assert!(is_fresh(&hour, in_seconds(3500)) && !is_fresh(&hour, in_seconds(3601)));
    let shared = stored(&[("cache-control", "max-age=0, s-maxage=60")]);
    assert!(is_fresh(&shared, in_seconds(50)));
    let old = stored(&[("cache-control", "max-age=60"), ("age", "59")]);
    assert!(!is_fresh(&old, in_seconds(2)));
    let now = SystemTime::now();
    let (date, expires) = (http_date(now), http_date(now + Duration::from_secs(60)));
    let expiring = stored(&[("date", &date), ("expires", &expires)]);
    assert!(is_fresh(&expiring, in_seconds(50)) && !is_fresh(&expiring, in_seconds(61)));
    for never in ["no-cache", "max-age=0", "no-cache, max-age=60", "no-store, max-age=60", "public"]
    {
        assert!(!is_fresh(&stored(&[("cache-control", never)]), in_seconds(0)), "{never}");
    }
    assert!(!is_fresh(&stored(&[("etag", "\"a\"")]), in_seconds(0)));
    assert!(!is_fresh(&stored(&[("date", &date), ("expires", "0")]), in_seconds(0)));
}

#[test]
fn a_response_that_was_old_on_arrival_is_no_fresher_than_its_date() {
    let date = http_date(SystemTime::now() - Duration::from_secs(100));
    let old = stored(&[("cache-control", "max-age=60"), ("date", &date)]);
    assert!(!is_fresh(&old, in_seconds(0)));
}

#[test]
fn a_malformed_age_makes_a_response_stale() {
    for age in ["abc", "-7200", "7200.0", "0, 0", "7200,0", "7200;foo=bar"] {
        let old = stored(&[("cache-control", "max-age=3600"), ("age", age)]);
        assert!(!is_fresh(&old, in_seconds(0)), "{age}");
    }
}

#[test]
fn a_response_stored_by_a_clock_that_was_ahead_is_stale() {
    let now = SystemTime::now();
    let mut ahead = stored(&[("cache-control", "max-age=600")]);
    assert!(is_fresh(&ahead, now));
    ahead.confirmed += 50;
    assert!(is_fresh(&ahead, now), "clocks differ a little");
    ahead.confirmed += 50;
    assert!(!is_fresh(&ahead, now));
    ahead.confirmed = u64::MAX;
    assert!(!is_fresh(&ahead, now) && !ahead.matches_if_range(b"x"));
}

#[test]
fn any_number_of_seconds_can_be_requested_and_stored() {
    let mut stored = stored(&[("cache-control", "max-age=18446744073709551615")]);
    assert!(stored.is_fresh(SystemTime::now(), Duration::ZERO));
    assert!(!stored.is_fresh(SystemTime::now(), Duration::from_secs(u64::MAX)));
    stored.age = u64::MAX;
    stored.confirmed = 0;
    assert!(!is_fresh(&stored, in_seconds(0)));
}

#[test]
fn an_if_range_must_name_a_strong_validator() {
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    let strong = stored(&[("last-modified", date)]);
    assert!(strong.matches_if_range(date.as_bytes()));
    let strong = stored(&[("etag", "\"a\""), ("last-modified", date)]);
    assert!(strong.matches_if_range(b"\"a\"") && strong.matches_if_range(date.as_bytes()));
    assert!(!strong.matches_if_range(b"\"b\"") && !strong.matches_if_range(b"a"));
    assert!(!stored(&[("etag", "W/\"a\"")]).matches_if_range(b"W/\"a\""));
    let weak = stored(&[("etag", "W/\"a\""), ("last-modified", date)]);
    assert!(!weak.matches_if_range(date.as_bytes()), "a weak ETag: the bytes may differ");
    let now = http_date(SystemTime::now());
    assert!(!stored(&[("last-modified", &now), ("date", &now)]).matches_if_range(now.as_bytes()));
}

#[test]
fn only_a_strong_validator_proves_that_bytes_are_the_same() {
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    let same =
        |headers: &[(&'static str, &str)]| stored(headers).matches(stored(headers).headers());
    assert!(same(&[("etag", "\"a\"")]) && same(&[("last-modified", date)]));
    assert!(
        !same(&[("etag", "W/\"a\"")]) && !same(&[("etag", "W/\"a\""), ("last-modified", date)])
    );
    assert!(!same(&[("content-type", "text/plain")]));
    let one = stored(&[("etag", "\"a\""), ("last-modified", date)]);
    assert!(!one.matches(stored(&[("etag", "\"b\""), ("last-modified", date)]).headers()));
}

#[test]
fn a_response_stored_by_older_rules_is_not_fresh() {
    let stored = stored(&[("cache-control", "max-age=600")]);
    let mut stored = serde_json::to_value(&stored).expect("valid JSON");
    stored.as_object_mut().expect("it has fields").remove("version");
    let old: StoredResponse = serde_json::from_value(stored).expect("an old version is readable");
    assert!(old.is_outdated() && !is_fresh(&old, in_seconds(0)));
}

#[test]
fn an_etag_with_any_bytes_is_compared_and_sent_again_unchanged() {
    let etag = HeaderValue::from_bytes(b"\"caf\xe9\"").expect("a valid header");
    let headers = HeaderMap::from_iter([(header::ETAG, etag.clone())]);
    let stored = StoredResponse::new("http://origin", &headers, Some(1), None);
    let stored = serde_json::to_string(&stored).expect("valid JSON");
    let stored: StoredResponse = serde_json::from_str(&stored).expect("it is readable");
    assert_eq!(stored.header(&header::ETAG), Some(&etag));
    assert!(stored.matches(&headers) && stored.matches_if_range(etag.as_bytes()));
}
