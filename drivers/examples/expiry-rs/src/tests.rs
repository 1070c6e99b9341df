use super::*;
use image_cache_driver_sdk::testing::TestHost;
use std::time::Duration;

fn host() -> TestHost<Expiry> {
    let options = [("default", "86400"), ("ttl.nightly-", "60"), ("ttl.nightly-lts", "0")];
    let mut host = TestHost::start(&options).expect("it is configured");
    for image in ["cirros", "nightly-1", "nightly-lts-1"] {
        host.cache(image, 10).expect("it is recorded");
    }
    host
}

#[test]
fn an_image_expires_by_the_longest_prefix_of_its_id() {
    let mut host = host();
    assert_eq!(host.victims(0), Ok(vec![]));
    host.advance(Duration::from_secs(60));
    assert_eq!(host.victims(0), Ok(vec!["nightly-1".to_owned()]));
    host.advance(Duration::from_secs(86_400));
    assert_eq!(host.evict(0), Ok(vec!["cirros".to_owned(), "nightly-1".to_owned()]));
    assert_eq!(host.victims(0), Ok(vec![]));
}

#[test]
fn expired_images_go_before_the_least_recently_accessed_ones() {
    let mut host = host();
    host.hit("nightly-1").expect("it is counted");
    host.advance(Duration::from_secs(60));
    let order = ["nightly-1", "cirros", "nightly-lts-1"].map(str::to_owned);
    assert_eq!(host.victims(30), Ok(order.to_vec()));
    assert_eq!(host.victims(10), Ok(order[..1].to_vec()));
    assert_eq!(host.victims(11), Ok(order[..2].to_vec()));
}

#[test]
fn a_pinned_image_does_not_expire() {
    let mut host = host();
    host.pin("nightly-1");
    host.advance(Duration::from_secs(60));
    assert_eq!(host.victims(0), Ok(vec![]));
    host.tick().expect("a tick");
    assert_eq!(host.metric("expiry_pinned_images", &[]), Some(1.0));
    let logged = host.take_log();
    assert!(logged.iter().any(|(_, words)| words.contains("pins keep 1 images")), "{logged:?}");
}

#[test]
fn wrong_options_are_named() {
    for (name, value) in [("ttl.a", "soon"), ("default", "-1"), ("tll.a", "5")] {
        assert!(TestHost::<Expiry>::start(&[(name, value)]).is_err(), "{name}");
    }
}
