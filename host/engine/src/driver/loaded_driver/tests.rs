//! Drivers that meet the contract, and drivers that do not.

use crate::capability::images::OpenImage;
use crate::driver::testing::{Cache, component, short_limits};
use crate::driver::{CallError, Driver, DriverError};
use image_cache_model::{
    AdmissionRequest, CacheSize, CachedImage, Checksum, ChecksumAlgorithm, Decision, Eviction,
    Grant, Hit, ImageId, Leftover, LeftoverState, Requester,
};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

fn id(id: &str) -> ImageId {
    id.parse().expect("a valid id")
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn hit(name: &str, seconds: u64) -> Hit {
    Hit::new(id(name), at(seconds))
}

/// Creates a file in the cache, and its record.
fn put(cache: &Cache, driver: &Driver, name: &str, size: u64, accessed: u64) -> CachedImage {
    let path = cache.directory.path().join(name);
    let file = std::fs::File::create(&path).expect("it can be created");
    file.set_len(size).expect("it can be filled");
    file.set_modified(at(1_600_000_000)).expect("its time can be set");
    let md5 = "d41d8cd98f00b204e9800998ecf8427e";
    let image = CachedImage::new(id(name), size, at(1_600_000_000))
        .with_hits(3)
        .with_last_accessed(at(accessed))
        .with_checksum(Checksum::new(ChecksumAlgorithm::Md5, md5).ok());
    driver.record_cached(&image, None).expect("it is recorded");
    image
}

fn failure<T: std::fmt::Debug>(result: Result<T, CallError>) -> String {
    match result {
        Err(error) if error.is_failure() => error.to_string(),
        other => panic!("it should have failed: {other:?}"),
    }
}

/// A file outside the cache; `None`, with a message, if it does not support attributes.
fn file_with_attributes() -> Option<tempfile::NamedTempFile> {
    let file = tempfile::NamedTempFile::new().expect("a file");
    if xattr::set(file.path(), "user.probe", b"1").is_err() {
        eprintln!("SKIPPED: {} does not support user attributes", file.path().display());
        return None;
    }
    Some(file)
}

fn keeps_its_records(name: &str) {
    let cache = Cache::new();
    let driver = cache.built_in(name);
    assert_eq!(driver.name(), name);
    let (a, b) = (
        put(&cache, &driver, "a", 10, 1_700_000_002),
        put(&cache, &driver, "b", 20, 1_700_000_001),
    );
    assert_eq!(driver.cached_image(&a.image_id), Ok(Some(a.clone())));
    assert_eq!(driver.cached_image(&id("c")), Ok(None));
    assert_eq!(driver.cached_images(None, 10), Ok(vec![a.clone(), b.clone()]));
    assert_eq!(driver.cached_images(Some(&a.image_id), 10), Ok(vec![b]));
    assert_eq!(driver.cache_size(), Ok(CacheSize { images: 2, bytes: 30 }));
    let request =
        Eviction { now: at(1_800_000_000), bytes_needed: 1, exclude: &[], limit: 10, cached: None };
    assert_eq!(driver.select_victims(&request).expect("victims")[0].image_id, id("b"));
    driver
        .record_hits(&[hit("b", 1_700_000_005), hit("gone", 1_700_000_006)])
        .expect("hits are counted");
    let hit = driver.cached_image(&id("b")).expect("an answer").expect("a record");
    assert_eq!((hit.hits, hit.last_accessed), (4, at(1_700_000_005)));
    assert_eq!(driver.select_victims(&request).expect("victims")[0].image_id, id("a"));
    let (image_id, requester) = (&id("c"), &Requester::default());
    let request = AdmissionRequest::new(image_id, None, at(0), requester);
    assert_eq!(driver.admit(&request), Ok(Decision::Admit));
    assert!(!driver.has_admission() && !driver.has_events() && !driver.has_timer());
    assert_eq!((driver.notify(&[]), driver.tick(at(0))), (Ok(()), Ok(())));
    driver.forget(&[id("a"), id("gone")]).expect("they are forgotten");
    assert_eq!(driver.cached_image(&id("a")), Ok(None));
    let leftover =
        |state| Leftover { image_id: id("x"), state, size: 1, modified: at(1_700_000_000) };
    let offered = [leftover(LeftoverState::Incomplete), leftover(LeftoverState::Invalid)];
    let chosen = driver.select_leftovers(&offered, at(1_600_000_000), at(1_800_000_000));
    assert_eq!(chosen, Ok(vec![offered[1].clone()]));
}

#[test]
fn the_sqlite_driver_keeps_its_records_and_leaves_no_side_files() {
    keeps_its_records("sqlite");
    let cache = Cache::new();
    put(&cache, &cache.built_in("sqlite"), "a", 1, 1);
    let names = std::fs::read_dir(cache.directory.path()).expect("a list");
    let mut names: Vec<_> = names.flatten().map(|entry| entry.file_name()).collect();
    names.retain(|name| name.to_string_lossy().starts_with("cache.db"));
    assert_eq!(names, ["cache.db"]);
}

#[test]
fn the_xattr_driver_keeps_its_records() {
    let Some(_probe) = file_with_attributes() else { return };
    keeps_its_records("xattr");
}

#[test]
fn an_unpublished_file_has_the_attributes_while_it_is_recorded() {
    let Some(probe) = file_with_attributes() else { return };
    let cache = Cache::new();
    let driver = cache.built_in("xattr");
    let mut image = put(&cache, &driver, "published", 1, 1_700_000_000);
    image.image_id = id("coming");
    driver.record_cached(&image, Some(probe.as_file())).expect("it is recorded");
    assert_eq!(xattr::get(probe.path(), "user.hits").expect("attributes"), Some(b"3".to_vec()));
    assert_eq!(driver.cached_image(&id("coming")), Ok(None));
}

/// The hits in the attribute of a file.
fn hits_on(path: &std::path::Path) -> Option<Vec<u8>> {
    xattr::get(path, "user.hits").expect("attributes")
}

#[test]
fn a_hit_is_counted_on_the_open_file_which_is_released_after_the_call() {
    let Some(_probe) = file_with_attributes() else { return };
    let cache = Cache::new();
    let driver = cache.built_in("xattr");
    for name in ["a", "b"] {
        put(&cache, &driver, name, 1, 1_700_000_000);
    }
    let path = |name: &str| cache.directory.path().join(name);
    let file = Arc::new(std::fs::File::open(path("a")).expect("it opens"));
    let lent = OpenImage { image_id: id("a"), file };
    let hits = [hit("a", 1_700_000_001), hit("b", 1_700_000_002)];
    driver.record_hits_with(&hits, Some(&lent)).expect("hits are counted");
    assert_eq!(
        [hits_on(&path("a")), hits_on(&path("b"))],
        [Some(b"4".to_vec()), Some(b"4".to_vec())]
    );
    assert_eq!(Arc::strong_count(&lent.file), 1, "an evicted image frees its space");

    // A quarantined file is no longer a cached image's file; another file has its name.
    std::fs::rename(path("a"), path("invalid").join("a")).expect("it is moved");
    driver.record_hits_with(&hits[..1], Some(&lent)).expect("nothing is counted");
    put(&cache, &driver, "a", 2, 1_700_000_000);
    driver.record_hits_with(&hits[..1], Some(&lent)).expect("it is counted");
    assert_eq!(hits_on(&path("invalid").join("a")), Some(b"4".to_vec()));
    assert_eq!(hits_on(&path("a")), Some(b"4".to_vec()));
}

#[test]
fn an_interrupted_guest_does_not_keep_the_open_file() {
    let cache = Cache::new();
    let import =
        r#"(import "image-cache:driver/files@1.1.0" "stat" (func $stat (param i32 i32 i32)))"#;
    let looping = component(&[("record-hits", "(loop br 0) unreachable")], import);
    let config = cache.config("text", &looping, &[Grant::Files], short_limits());
    let driver = Driver::load("text", &config, Arc::clone(&cache.directory)).expect("it loads");
    std::fs::write(cache.directory.path().join("a"), b"image").expect("it is writable");
    let file = std::fs::File::open(cache.directory.path().join("a")).expect("it opens");
    let lent = OpenImage { image_id: id("a"), file: Arc::new(file) };
    failure(driver.record_hits_with(&[hit("a", 1)], Some(&lent)));
    assert_eq!(Arc::strong_count(&lent.file), 1);
}

#[test]
fn a_call_waits_for_slow_calls_no_longer_than_a_call_may_take() {
    let cache = Cache::new();
    let looping = component(&[("record-hits", "(loop br 0) unreachable")], "");
    let mut limits = short_limits();
    limits.guest_time = limits.call_time;
    let config = cache.config("text", &looping, &[], limits);
    let driver = Driver::load("text", &config, Arc::clone(&cache.directory)).expect("it loads");
    let call = || {
        let begun = Instant::now();
        let error = driver.record_hits(&[]).expect_err("it loops");
        (begun.elapsed(), error)
    };
    let calls: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..20).map(|_| scope.spawn(call)).collect();
        threads.into_iter().map(|thread| thread.join().expect("it ends")).collect()
    });
    assert!(calls.iter().any(|(_, error)| *error == CallError::Crowded));
    let longest = calls.iter().map(|(took, _)| *took).max().expect("there are some");
    // One call waits for its turn and then runs; if they ran one after the other, they would take 6 s.
    assert!(longest < 5 * (2 * limits.call_time + Duration::from_millis(100)), "{longest:?}");
}

#[test]
fn a_guest_that_loops_is_interrupted_and_the_next_call_gets_a_new_instance() {
    let cache = Cache::new();
    let looping = component(&[("record-hits", "(loop br 0) unreachable")], "");
    let driver = cache.driver(&looping);
    for _ in 0..2 {
        let words = failure(driver.record_hits(&[hit("a", 1)]));
        assert!(words.contains("record-hits was cut short") && words.contains("50ms"), "{words}");
        assert_eq!(driver.cache_size(), Ok(CacheSize::default()));
    }
}

#[test]
fn a_guest_that_waits_in_the_host_is_interrupted_at_the_limit_of_the_call() {
    let cache = Cache::new();
    // Each host call counts as the host's time, so only the limit of the whole call applies.
    let import =
        r#"(import "image-cache:driver/files@1.1.0" "stat" (func $stat (param i32 i32 i32)))"#;
    let body =
        "(loop (call $stat (i32.const 32) (i32.const 4) (i32.const 4096)) (br 0)) unreachable";
    let bytes = component(&[("forget", body)], import);
    let mut limits = short_limits();
    limits.guest_time = limits.call_time;
    let config = cache.config("text", &bytes, &[Grant::Files], limits);
    let driver = Driver::load("text", &config, Arc::clone(&cache.directory)).expect("it loads");
    let words = failure(driver.forget(&[]));
    assert!(words.contains("forget was cut short: the call took more"), "{words}");
}

#[test]
fn a_trap_is_a_failure_with_the_last_message_of_the_guest() {
    let cache = Cache::new();
    let import = r#"(import "image-cache:driver/log@1.1.0" "log" (func $log (param i32 i32 i32)))
        (data (i32.const 64) "out of luck")"#;
    let body = "(call $log (i32.const 4) (i32.const 64) (i32.const 11)) unreachable";
    let driver = cache.driver(&component(&[("forget", body)], import));
    let words = failure(driver.forget(&[]));
    assert!(words.contains("forget failed") && words.contains("unreachable"), "{words}");
    assert!(words.contains("; it said: out of luck"), "{words}");
}

#[test]
fn a_trap_names_the_functions_that_ran() {
    let cache = Cache::new();
    let named = "(func $choose_victims (call $score)) (func $score unreachable)";
    let body = "(call $choose_victims) (i32.const 4096)";
    let words = failure(cache.driver(&component(&[("forget", body)], named)).forget(&[]));
    assert!(words.contains("; in score < choose_victims"), "{words}");
}

#[test]
fn a_guest_knows_the_capacity_and_while_it_selects_victims_also_the_usage() {
    let cache = Cache::new();
    let import = r#"(import "image-cache:driver/capacity@1.1.0" "get-usage" (func $usage (param i32)))
        (import "image-cache:driver/capacity@1.1.0" "get-limits" (func $limits (param i32)))
        (func $expect (param i64 i64) (if (i64.ne (local.get 0) (local.get 1)) (then unreachable)))"#;
    // An option has its tag first; a number begins at a multiple of 8.
    let usage = "(call $usage (i32.const 2048))
        (call $expect (i64.load8_u (i32.const 2048)) (i64.const 1))
        (call $expect (i64.load (i32.const 2056)) (i64.const 3))
        (call $expect (i64.load (i32.const 2064)) (i64.const 70)) (i32.const 4096)";
    let limits = "(call $limits (i32.const 2048)) (call $usage (i32.const 2080))
        (call $expect (i64.load (i32.const 2048)) (i64.const 10737418240))
        (call $expect (i64.load8_u (i32.const 2056)) (i64.const 0))
        (call $expect (i64.load8_u (i32.const 2080)) (i64.const 0)) (i32.const 4096)";
    let driver = cache.driver(&component(&[("select-victims", usage), ("forget", limits)], import));
    let cached = Some(CacheSize { images: 3, bytes: 70 });
    let request = Eviction { now: at(1), bytes_needed: 1, exclude: &[], limit: 1, cached };
    assert_eq!(driver.select_victims(&request), Ok(Vec::new()));
    assert_eq!(driver.forget(&[]), Ok(()));
    let unknown = Eviction { cached: None, ..request };
    assert!(driver.select_victims(&unknown).is_err(), "it expects a usage");
}

#[test]
fn memory_and_stack_of_a_guest_are_limited() {
    let cache = Cache::new();
    let greedy = "(drop (memory.grow (i32.const 100))) (i32.const 4096)";
    let limit_reached = |bytes: &[u8]| match cache.driver(bytes).forget(&[]) {
        Err(CallError::LimitReached(failure)) => failure.cause,
        other => panic!("{other:?}"),
    };
    let words = limit_reached(&component(&[("forget", greedy)], ""));
    assert!(words.contains("bytes of memory; its limit is 1048576"), "{words}");
    let deep =
        "(func $deep (param i32) (result i32) (call $deep (local.get 0)) (i32.const 1) i32.add)";
    let bytes = component(&[("forget", "(call $deep (i32.const 1))")], deep);
    let words = limit_reached(&bytes);
    assert!(words.contains("stack"), "{words}");
}

/// A function that returns one record each: a list at 64 with one element, in an `ok` at 48.
fn answering(export: &str, element: &str) -> Vec<u8> {
    let data = format!(
        r#"(data (i32.const 48) "\00\00\00\00\40\00\00\00\01\00\00\00")
        (data (i32.const 64) "{element}") (data (i32.const 256) "../x") (data (i32.const 272) "good")"#
    );
    component(&[(export, "(i32.const 48)")], &data)
}

#[test]
fn invalid_results_of_a_driver_are_failures() {
    let cache = Cache::new();
    let request =
        Eviction { now: at(1), bytes_needed: 1, exclude: &[id("good")], limit: 1, cached: None };
    let victim = |name: &str, size: &str| {
        answering("select-victims", &format!("{name}\\04\\00\\00\\00{size}"))
    };
    let (path, good) = ("\\00\\01\\00\\00", "\\10\\01\\00\\00");
    let (zero, huge) = ("\\00\\00\\00\\00\\00\\00\\00\\00", "\\ff\\ff\\ff\\ff\\ff\\ff\\ff\\ff");
    let words = failure(cache.driver(&victim(path, zero)).select_victims(&request));
    assert!(words.contains("no image id"), "{words}");
    let words = failure(cache.driver(&victim(good, zero)).select_victims(&request));
    assert!(words.contains("excluded"), "{words}");
    let free = Eviction { exclude: &[], ..request.clone() };
    let words = failure(cache.driver(&victim(good, huge)).select_victims(&free));
    assert!(words.contains("at most"), "{words}");
    assert_eq!(cache.driver(&victim(good, zero)).select_victims(&free).map(|v| v.len()), Ok(1));
    let none = Eviction { limit: 0, ..free };
    let words = failure(cache.driver(&victim(good, zero)).select_victims(&none));
    assert!(words.contains("at most 0"), "{words}");
    let leftover = answering("select-leftovers", &format!("{good}\\04\\00\\00\\00"));
    let words = failure(cache.driver(&leftover).select_leftovers(&[], at(1), at(1)));
    assert!(words.contains("not offered"), "{words}");
    let outside = component(&[("get-cached-images", "(i32.const 131060)")], "");
    failure(cache.driver(&outside).cached_images(None, 1));
}

#[test]
fn an_error_of_the_driver_does_not_replace_its_instance() {
    let cache = Cache::new();
    let busy = component(&[("forget", "(i32.const 48)")], r#"(data (i32.const 48) "\01")"#);
    let driver = cache.driver(&busy);
    assert_eq!(driver.forget(&[]), Err(CallError::Refused(DriverError::Busy)));
    assert_eq!(driver.record_hits(&[]), Ok(()));
}

#[test]
fn calls_from_several_threads_wait_for_each_other() {
    let cache = Cache::new();
    let driver = cache.built_in("sqlite");
    put(&cache, &driver, "a", 1, 1_700_000_000);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                (0..25).for_each(|n| {
                    driver.record_hits(&[hit("a", 1_700_000_000 + n)]).expect("a hit")
                })
            });
        }
    });
    assert_eq!(
        driver.cached_image(&id("a")).expect("an answer").map(|image| image.hits),
        Some(103)
    );
}

#[test]
fn a_corrupt_database_is_quarantined_at_loading_and_while_running() {
    let cache = Cache::new();
    let database = cache.directory.path().join("cache.db");
    std::fs::write(&database, vec![b'x'; 8192]).expect("it is writable");
    let driver = cache.built_in("sqlite");
    let aside = || {
        let own = std::fs::read_dir(cache.directory.path().join(".image-cache")).expect("a list");
        own.flatten()
            .filter(|e| e.file_name().to_string_lossy().starts_with("cache.db.corrupt-"))
            .count()
    };
    assert_eq!(aside(), 1);
    put(&cache, &driver, "a", 1, 1);
    // Another process did the same meanwhile: the driver continues with the current database.
    for ending in ["", "-wal", "-shm"] {
        let name = format!("cache.db{ending}");
        let from = cache.directory.path().join(&name);
        std::fs::rename(from, cache.place.path().join(name)).expect("it moves");
    }
    std::fs::write(&database, vec![b'x'; 8192]).expect("it is writable");
    assert_eq!(driver.cache_size(), Err(CallError::Replaced));
    assert!(matches!(driver.cache_size(), Err(CallError::Corrupt(_))));
    driver.quarantine_database().expect("it moves");
    assert_eq!(aside(), 2);
    driver.quarantine_database().expect("nothing is left to move");
    assert_eq!((aside(), driver.cache_size()), (2, Ok(CacheSize::default())));
}
