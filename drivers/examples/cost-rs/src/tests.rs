use super::*;
use image_cache_driver_sdk::testing::TestHost;
use image_cache_driver_sdk::{Fetched, Read, Removed, Requester};

fn host() -> TestHost<Cost> {
    let mut host = TestHost::start(&[]).expect("it is configured");
    host.set_max_bytes(1000).expect("it is configured again");
    host
}

fn of(kind: RequestKind) -> Requester {
    Requester { kind, tenant: None }
}

/// Caches an image after a fetch that took this time.
fn fetch(host: &mut TestHost<Cost>, image: &str, size: u64, micros: u64) {
    host.cache(image, size).expect("it is recorded");
    let (image_id, at, requester) = (image.to_owned(), host.now(), of(RequestKind::Client));
    let fetched = Fetched { image_id, at, bytes: size, duration: micros, requester };
    host.notify(vec![Event::Fetched(fetched)]).expect("it is noted");
}

fn read(host: &mut TestHost<Cost>, image: &str, bytes: u64) {
    host.hit(image).expect("it is counted");
    let (image_id, at, requester) = (image.to_owned(), host.now(), of(RequestKind::Client));
    host.notify(vec![Event::Read(Read { image_id, at, bytes, requester })]).expect("it is noted");
}

fn removed(host: &mut TestHost<Cost>, image: &str, reason: RemovalReason) {
    let (image_id, at) = (image.to_owned(), host.now());
    host.notify(vec![Event::Removed(Removed { image_id, at, reason })]).expect("it is noted");
}

fn evict(host: &mut TestHost<Cost>, bytes: u64) -> Vec<String> {
    let victims = host.evict(bytes).expect("victims");
    victims.iter().for_each(|image| removed(host, image, RemovalReason::Evicted));
    victims
}

fn admit(host: &mut TestHost<Cost>, image: &str, kind: RequestKind) -> Decision {
    host.admit(image, Some(100), of(kind)).expect("an answer")
}

#[test]
fn an_image_stays_if_each_of_its_bytes_took_long_to_fetch() {
    let mut host = host();
    fetch(&mut host, "slow", 100, 5000);
    fetch(&mut host, "fast", 100, 10);
    fetch(&mut host, "slow-but-large", 400, 8000);
    host.restart().expect("it is configured again");
    assert_eq!(host.victims(600), Ok(vec!["fast".into(), "slow-but-large".into(), "slow".into()]));
}

#[test]
fn a_read_counts_by_its_bytes() {
    let mut host = host();
    fetch(&mut host, "whole", 100, 100);
    fetch(&mut host, "part", 100, 110);
    read(&mut host, "whole", 100);
    (0..5).for_each(|_| read(&mut host, "part", 10));
    assert_eq!(host.victims(1), Ok(vec!["part".into()]));
    assert_eq!(host.record("part").map(|it| it.map(|it| it.hits)), Ok(Some(5)));
}

#[test]
fn only_an_eviction_moves_the_clock() {
    for (reason, first) in [(RemovalReason::Deleted, "new"), (RemovalReason::Evicted, "old")] {
        let mut host = host();
        fetch(&mut host, "old", 100, 200);
        fetch(&mut host, "gone", 100, 150);
        host.delete("gone").expect("it is forgotten");
        removed(&mut host, "gone", reason);
        fetch(&mut host, "new", 100, 100);
        assert_eq!(host.victims(1), Ok(vec![first.into()]), "{reason:?}");
    }
}

#[test]
fn a_cache_that_is_nearly_full_admits_what_was_evicted_and_what_is_requested_again() {
    let mut host = host();
    fetch(&mut host, "a", 890, 10);
    assert_eq!(admit(&mut host, "b", RequestKind::Client), Decision::Admit, "89 % are full");
    fetch(&mut host, "b", 100, 10_000);
    let reason = "the cache is 99 % full: first request within 86400 s".to_owned();
    assert_eq!(admit(&mut host, "c", RequestKind::Client), Decision::Refuse(reason));
    assert_eq!(admit(&mut host, "c", RequestKind::Client), Decision::Admit);
    assert_eq!(evict(&mut host, 1), ["a"]);
    fetch(&mut host, "d", 890, 1_000_000);
    assert_eq!(admit(&mut host, "a", RequestKind::Client), Decision::Admit, "it is a ghost");
    host.delete("b").expect("it is forgotten");
    removed(&mut host, "b", RemovalReason::Deleted);
    fetch(&mut host, "e", 100, 10);
    assert!(matches!(admit(&mut host, "b", RequestKind::Client), Decision::Refuse(_)));
    assert_eq!(host.metric("cost_refusals", &[]), Some(2.0));
}

#[test]
fn what_is_added_or_queued_is_always_admitted() {
    let mut host = host();
    fetch(&mut host, "a", 1000, 10);
    for kind in [RequestKind::Add, RequestKind::Prefetch] {
        assert_eq!(admit(&mut host, &format!("{kind:?}"), kind), Decision::Admit);
    }
    for kind in [RequestKind::Client, RequestKind::Follower] {
        assert_ne!(admit(&mut host, &format!("{kind:?}"), kind), Decision::Admit);
    }
}

#[test]
fn the_second_question_about_an_image_of_unknown_size_is_admitted() {
    let mut host = host();
    let ask = |host: &mut TestHost<Cost>, size| host.admit("a", size, of(RequestKind::Client));
    assert_eq!(ask(&mut host, None), Ok(Decision::Admit), "there is room");
    fetch(&mut host, "meanwhile", 950, 10);
    assert_eq!(ask(&mut host, Some(100)), Ok(Decision::Admit));
}

#[test]
fn the_fill_is_the_hosts_number_at_each_choice_of_victims() {
    let mut host = host();
    fetch(&mut host, "a", 900, 10);
    assert_ne!(admit(&mut host, "b", RequestKind::Client), Decision::Admit);
    // Another process evicts it: this driver's own sum does not change.
    host.lose("a");
    host.victims(0).expect("an answer");
    assert_eq!(admit(&mut host, "c", RequestKind::Client), Decision::Admit);
}
