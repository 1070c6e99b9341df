use super::*;
use hyper::header::{self, HeaderMap, HeaderValue};
use image_cache::Config;

/// The store of an empty cache, which lives as long as its directory.
fn responses() -> (ResponseStore, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let config = Config::builder(dir.path()).build().expect("the other options have defaults");
    let cache = ImageCache::open(config).expect("it can be opened");
    (ResponseStore::open(&cache).expect("its folder can be made"), dir)
}

fn stored(etag: &'static str) -> Arc<StoredResponse> {
    let etag = HeaderValue::from_static(etag);
    let headers = HeaderMap::from_iter([(header::ETAG, etag)]);
    Arc::new(StoredResponse::new("http://origin", &headers, None, None))
}

#[test]
fn an_authorisation_ends_when_a_fetch_of_another_version_may_fill_the_cache() {
    let (responses, _dir) = responses();
    let (old, new) = (stored("\"old\""), stored("\"new\""));
    let first = responses.begin("a", Arc::clone(&old), responses.epoch());
    responses.persist("a", first, &old, responses.epoch());
    assert!(responses.is_current("a", &old));
    let second = responses.begin("a", Arc::clone(&new), responses.epoch());
    assert!(!responses.is_current("a", &old) && !responses.is_current("a", &new));
    responses.persist("a", second, &new, responses.epoch());
    assert!(responses.is_current("a", &new) && !responses.is_current("a", &old));
}

#[test]
fn a_file_requested_before_a_change_is_invalid_from_its_first_byte_on() {
    let (responses, _dir) = responses();
    let epoch = responses.epoch();
    responses.invalidate("a");
    let generation = responses.begin("a", stored("\"old\""), epoch);
    let in_flight = responses.in_flight("a").expect("it is being fetched");
    assert!(in_flight.is_invalid);
    responses.abandon("a", generation);
    responses.begin("a", stored("\"new\""), responses.epoch());
    assert!(responses.in_flight("a").is_some_and(|in_flight| !in_flight.is_invalid));
}
