use super::*;
use hyper::header::{self, HeaderMap, HeaderValue};
use image_cache::Config;

/// What is known in an empty cache, which lives as long as its directory.
fn labels() -> (Labels, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let config = Config::builder(dir.path()).build().expect("its other options have defaults");
    let cache = ImageCache::open(config).expect("it can be opened");
    (Labels::of(&cache).expect("its folder can be made"), dir)
}

fn label(etag: &'static str) -> Arc<Label> {
    let etag = HeaderValue::from_static(etag);
    let headers = HeaderMap::from_iter([(header::ETAG, etag)]);
    Arc::new(Label::of("http://origin", &headers, None, None))
}

#[test]
fn a_consent_to_a_version_does_not_hold_once_a_fetch_of_another_one_may_fill_the_cache() {
    let (labels, _dir) = labels();
    let (old, new) = (label("\"old\""), label("\"new\""));
    let first = labels.expect("a", Arc::clone(&old), labels.changes());
    labels.promise("a", first, &old, labels.changes());
    assert!(labels.is_current("a", &old));
    let second = labels.expect("a", Arc::clone(&new), labels.changes());
    assert!(!labels.is_current("a", &old) && !labels.is_current("a", &new));
    labels.promise("a", second, &new, labels.changes());
    assert!(labels.is_current("a", &new) && !labels.is_current("a", &old));
}

#[test]
fn a_file_that_was_asked_for_before_a_change_is_invalid_from_its_first_byte_on() {
    let (labels, _dir) = labels();
    let asked = labels.changes();
    labels.invalidate("a");
    let number = labels.expect("a", label("\"old\""), asked);
    let expected = labels.expected("a").expect("it is being fetched");
    assert!(expected.is_invalid);
    labels.disown("a", number);
    labels.expect("a", label("\"new\""), labels.changes());
    assert!(labels.expected("a").is_some_and(|expected| !expected.is_invalid));
}
