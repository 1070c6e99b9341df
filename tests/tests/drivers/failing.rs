//! Drivers that fail after they were loaded: a call is retried, a driver that fails repeatedly is replaced, and in each case
//! images are served and nothing is lost.

use image_cache::{Config, Expected, ImageCache, Outcome};
use image_cache_tests::components::{
    TRIED, Trial, assert_fell_back, assert_no_fallback, assert_works, faulty, open,
};
use image_cache_tests::{Tested, bytes, fill, listed, read_all, serve};
use std::time::SystemTime;

/// The number of rounds after which a driver that always fails must have been replaced.
const ROUNDS: usize = 8;

/// Every export that the host calls for an image in the cache.
const EXPORTS: [&str; 8] = [
    "is-cacheable",
    "record-cached",
    "record-hits",
    "forget",
    "get-cached-image",
    "get-cached-images",
    "select-victims",
    "select-leftovers",
];

/// Runs all operations of the cache repeatedly, until its driver was replaced; returns the cached images in order.
fn until_replaced(trial: &Trial, cache: &ImageCache, context: &str) -> Tested<Vec<String>> {
    let mut cached = Vec::new();
    for round in 0..ROUNDS {
        for (id, kept) in [(format!("kept-{round}"), true), (format!("removed-{round}"), false)] {
            let image = bytes(round as u64, 10_000 + round);
            // Whatever the driver does, the reader gets every byte, and cached images are served.
            let passed = read_all(cache.caching_reader(&id, &image[..], Expected::nothing())?)?;
            assert!(passed == image, "{context}: {id} did not pass whole");
            if !cache.is_cached(&id)? {
                continue;
            }
            assert!(serve(cache, &id)? == image, "{context}: {id} is not served as it came");
            if kept {
                cached.push(id);
            } else {
                assert!(cache.delete_cached_image(&id)?, "{context}: {id} was not removed");
            }
        }
        trial.put(&format!("invalid/broken-{round}"), b"half an image");
        // Each of these may fail, and none may do harm.
        let _ = cache.cached_images();
        let _ = cache.cached_image("kept-0");
        let _ = cache.prune();
        let _ = cache.clean(None);
        if cache.driver().fallback.is_some() {
            return Ok(cached);
        }
    }
    panic!("{context}: after {ROUNDS} rounds the driver still serves");
}

/// Asserts that a driver with this fault in any export is replaced without a loss.
fn is_replaced_wherever_it_is(fault: &str, words: &[&str]) -> Tested {
    for export in EXPORTS {
        let context = format!("{fault} in {export}");
        let trial = Trial::new();
        let cache = trial.open(faulty(&[("fault", fault), ("in", export)]));
        let mut cached = until_replaced(&trial, &cache, &context)?;
        assert_fell_back(&cache, TRIED, words);
        fill(&cache, "last", b"bytes");
        cached.push("last".into());
        cached.sort_unstable();
        assert_eq!(listed(&cache), cached, "{context}");
        for id in &cached {
            assert!(serve(&cache, id).is_ok(), "{context}: {id} is lost");
        }
        assert_works(&cache);
        // The records are those of sqlite, and complete: another process finds them without a repair.
        drop(cache);
        let cache = open(Config::builder(trial.dir()));
        assert_no_fallback(&cache);
        assert_eq!(listed(&cache), cached, "{context}");
    }
    Ok(())
}

#[test]
fn a_driver_that_traps_is_replaced_and_nothing_is_lost() -> Tested {
    is_replaced_wherever_it_is("trap", &["times within 60 s"])
}

#[test]
fn a_driver_that_panics_is_replaced_and_its_message_is_reported() -> Tested {
    is_replaced_wherever_it_is("panic", &["times within 60 s", "told to panic in"])
}

#[test]
fn a_driver_that_loops_is_cut_off_and_replaced() -> Tested {
    is_replaced_wherever_it_is("loop", &["times within 60 s"])
}

#[test]
fn a_driver_that_fills_its_stack_is_replaced() -> Tested {
    is_replaced_wherever_it_is("recurse", &["times within 60 s"])
}

#[test]
fn a_driver_that_takes_all_memory_is_replaced() -> Tested {
    is_replaced_wherever_it_is("memory", &["times within 60 s"])
}

#[test]
fn a_driver_that_answers_errors_of_its_own_is_replaced() -> Tested {
    is_replaced_wherever_it_is("error-other", &["times within 60 s", "told to fail"])
}

#[test]
fn a_call_that_traps_now_and_then_is_made_again_on_a_fresh_instance() {
    let trial = Trial::new();
    let cache = trial.open(faulty(&[("fault", "trap"), ("in", "is-cacheable"), ("after", "2")]));
    for n in 0..12 {
        assert!(matches!(cache.is_cacheable("new", Some(n)), Ok(true)), "question {n}");
    }
    assert_no_fallback(&cache);
}

#[test]
fn a_driver_that_is_replaced_in_the_middle_of_a_fill_costs_the_fill_nothing() -> Tested {
    let trial = Trial::new();
    let cache = trial.open(faulty(&[("fault", "trap"), ("in", "record-cached")]));
    let image = bytes(3, 300_000);
    let expected = Expected::nothing().with_md5(&image_cache_tests::md5_hex(&image))?;
    assert!(matches!(cache.cache_image("first", &image[..], expected)?, Outcome::Cached(_)));
    assert!(serve(&cache, "first")? == image);
    fill(&cache, "second", b"bytes");
    assert_fell_back(&cache, TRIED, &["record-cached"]);
    assert_eq!(listed(&cache), ["first", "second"]);
    Ok(())
}

#[test]
fn hits_that_a_failing_driver_did_not_take_are_counted_by_the_one_that_replaces_it() -> Tested {
    let trial = Trial::new();
    let cache = trial.open(faulty(&[("fault", "error-other"), ("in", "record-hits")]));
    fill(&cache, "read", b"bytes");
    for _ in 0..5 {
        serve(&cache, "read")?;
    }
    assert_fell_back(&cache, TRIED, &["told to fail"]);
    assert_eq!(cache.hit_count("read")?, 5);
    Ok(())
}

#[test]
fn the_record_of_an_image_is_restored_after_its_driver_failed() -> Tested {
    let trial = Trial::new();
    let cache = trial.open(faulty(&[("fault", "trap"), ("in", "select-leftovers")]));
    let before = fill(&cache, "kept", &bytes(5, 5000));
    until_replaced(&trial, &cache, "trap in select-leftovers")?;
    let after = cache.cached_image("kept")?.ok_or("the record is lost")?;
    assert_eq!((after.size, after.last_modified), (before.size, before.last_modified));
    assert!(after.last_accessed <= SystemTime::now());
    Ok(())
}

#[test]
fn a_replaced_driver_is_tried_again_when_the_cache_is_reopened() -> Tested {
    let trial = Trial::new();
    let options = [("fault", "trap"), ("in", "record-cached")];
    let cache = trial.open(faulty(&options));
    until_replaced(&trial, &cache, "trap in record-cached")?;
    drop(cache);
    let cache = trial.open(faulty(&[]));
    assert_no_fallback(&cache);
    assert_eq!(cache.driver().name, TRIED);
    assert!(!listed(&cache).is_empty(), "the records that sqlite wrote meanwhile are missing");
    assert_works(&cache);
    Ok(())
}

#[test]
fn an_error_of_the_storage_is_no_failure_of_the_driver() -> Tested {
    for error in ["error-full", "error-not-found", "error-too-large", "error-invalid-argument"] {
        let trial = Trial::new();
        let cache = trial.open(faulty(&[("fault", error), ("in", "record-cached")]));
        for n in 0..5 {
            let id = format!("image-{n}");
            fill(&cache, &id, b"bytes");
            assert_eq!(serve(&cache, &id)?, b"bytes", "{error}");
        }
        assert_no_fallback(&cache);
        assert_eq!(cache.cache_size()?.images, 5, "{error}");
    }
    Ok(())
}

#[test]
fn an_image_whose_record_cannot_be_read_is_shown_with_the_values_of_its_file() -> Tested {
    let trial = Trial::new();
    trial.put("a", b"bytes");
    let cache = trial.open(faulty(&[("fault", "error-denied"), ("in", "get-cached-images")]));
    let shown = cache.cached_image("a")?.ok_or("it is cached, and not shown")?;
    assert_eq!((shown.size, shown.hits), (5, 0));
    assert!(cache.cached_image("b")?.is_none());
    assert_no_fallback(&cache);
    Ok(())
}

#[test]
fn long_words_of_a_driver_are_cut() {
    let trial = Trial::new();
    let cache = trial.open(faulty(&[("fault", "error-long"), ("in", "get-cached-images")]));
    let error = cache.cached_images().map(drop).map_err(|error| error.to_string());
    let words = match error {
        Err(words) => words,
        // The third failure may already have been this one: then the message is in the reason.
        Ok(()) => cache.driver().fallback.map(|it| it.reason.to_string()).unwrap_or_default(),
    };
    assert!(
        words.contains("told to say much") && words.len() < 4096,
        "{} bytes: {words}",
        words.len()
    );
    assert!(!words.contains('\n'), "{words}");
}

#[test]
fn a_driver_that_floods_the_log_stays_active() {
    let trial = Trial::new();
    let cache = trial.open(faulty(&[("fault", "chatter"), ("in", "record-cached")]));
    assert_works(&cache);
    assert_no_fallback(&cache);
}

#[test]
fn an_image_that_the_driver_refuses_passes_through_and_is_not_cached() -> Tested {
    let trial = Trial::new();
    let cache = trial.open(faulty(&[("refuse-larger", "1000")]));
    assert!(cache.is_cacheable("small", Some(1000))?);
    assert!(!cache.is_cacheable("large", Some(1001))?);
    let image = bytes(9, 1001);
    let mut reader =
        cache.caching_reader("large", &image[..], Expected::nothing().with_size(1001))?;
    assert!(read_all(&mut reader)? == image);
    assert_eq!(reader.outcome(), Some(&Outcome::RefusedByDriver(None)));
    assert!(!cache.is_cached("large")?);
    assert!(matches!(
        cache.cache_image("small", &image[..1000], Expected::nothing().with_size(1000))?,
        Outcome::Cached(_)
    ));
    assert_no_fallback(&cache);
    Ok(())
}
