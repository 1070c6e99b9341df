use super::*;
use image_cache_driver_sdk::testing::TestHost;
use image_cache_driver_sdk::{NotCached, RequestKind, Requester};

fn of(tenant: &str) -> Requester {
    Requester { kind: RequestKind::Client, tenant: Some(tenant.into()) }
}

fn host() -> TestHost<Quota> {
    TestHost::start(&[("default-quota", "100"), ("quota.large", "1000")]).expect("it is configured")
}

/// A fetch from admission to its record.
fn fetch(host: &mut TestHost<Quota>, image: &str, size: u64, tenant: &str) -> Decision {
    let decision = host.admit(image, Some(size), of(tenant)).expect("an answer");
    if decision == Decision::Admit {
        host.cache(image, size).expect("it is recorded");
    }
    decision
}

#[test]
fn a_tenant_gets_its_quota_and_a_reason() {
    let mut host = host();
    assert_eq!(fetch(&mut host, "a", 60, "small"), Decision::Admit);
    let refused = Decision::Refuse("the tenant uses 60 of 100 bytes, and the image has 41".into());
    assert_eq!(fetch(&mut host, "b", 41, "small"), refused);
    assert_eq!(fetch(&mut host, "c", 40, "small"), Decision::Admit);
    assert_eq!(fetch(&mut host, "d", 900, "large"), Decision::Admit);
    assert_eq!(host.metric("quota_refusals", &[("tenant", "others")]), Some(1.0));
    host.tick().expect("a tick");
    assert_eq!(host.metric("quota_used_bytes", &[("tenant", "large")]), Some(900.0));
}

#[test]
fn a_removed_image_gives_its_share_back() {
    let mut host = host();
    fetch(&mut host, "a", 100, "small");
    assert_ne!(fetch(&mut host, "b", 1, "small"), Decision::Admit);
    host.restart().expect("it is configured again");
    host.delete("a").expect("it is forgotten");
    assert_eq!(fetch(&mut host, "b", 100, "small"), Decision::Admit);
}

#[test]
fn a_reservation_counts_at_once_and_ends_if_nothing_is_published() {
    let mut host = host();
    let admit = |host: &mut TestHost<Quota>, image: &str| host.admit(image, Some(80), of("small"));
    assert_eq!(admit(&mut host, "failed"), Ok(Decision::Admit));
    assert_eq!(admit(&mut host, "failed"), Ok(Decision::Admit), "the host may repeat a call");
    assert!(matches!(admit(&mut host, "b"), Ok(Decision::Refuse(_))));
    let (image_id, at) = ("failed".to_owned(), host.now());
    let failed = NotCached { image_id, at, bytes: 7, requester: of("small") };
    host.notify(vec![Event::NotCached(failed)]).expect("it is told");
    assert_eq!(admit(&mut host, "killed"), Ok(Decision::Admit));
    host.advance(std::time::Duration::from_secs(7 * 60 * 60));
    host.tick().expect("a tick");
    assert_eq!(admit(&mut host, "b"), Ok(Decision::Admit));
}

#[test]
fn an_unknown_size_is_asked_again_and_unknown_tenants_are_not_limited() {
    let mut host = host();
    assert_eq!(host.admit("a", None, of("small")), Ok(Decision::Admit));
    assert!(matches!(host.admit("a", Some(101), of("small")), Ok(Decision::Refuse(_))));
    let nobody = Requester { kind: RequestKind::Add, tenant: None };
    assert_eq!(host.admit("b", Some(101), nobody), Ok(Decision::Admit));
}

#[test]
fn tables_of_a_later_version_are_refused() {
    host();
    let later = Statement { sql: "PRAGMA user_version = 2".into(), parameters: Vec::new() };
    sql::execute_all(&[later]).expect("it is set");
    let refused = Shares::open().err();
    assert!(format!("{refused:?}").contains("the version 2"), "{refused:?}");
}
