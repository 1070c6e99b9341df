//! False results. Every prune ends, and makes the cache as small as required.

use image_cache::ImageCache;
use image_cache_tests::components::{TRIED, assert_fell_back, assert_no_fallback, open};
use image_cache_tests::hostile::{Harness, MAX_SIZE};
use image_cache_tests::{Tested, bytes, fill, listed, read_all};
use std::fs;
use std::time::{Duration, Instant};

/// The time budget of a driver for all calls of one operation, if the cache has few images.
const BUDGET: Duration = Duration::from_secs(10);

pub fn lists_images_it_was_never_told(harness: Harness) -> Tested {
    let cache = harness.open();
    fill(&cache, "a", b"bytes");
    assert_eq!(listed(&cache), ["a"]);
    assert!(cache.open_for_read("!invented")?.is_none());
    assert!(cache.cached_image("!invented")?.is_none());
    drop(cache);
    harness.assert_harmless()
}

pub fn lists_images_without_end(harness: Harness) -> Tested {
    harness.with_long_deadlines().assert_replaced(&["more than 100000 images that are not cached"])
}

/// Opening and the first list after it take at most five times their budgets; then another driver is active.
pub fn lists_one_image_a_page_without_hurry(harness: Harness) -> Tested {
    let harness = harness.with_long_deadlines();
    let begun = Instant::now();
    let cache = harness.open();
    assert!(begun.elapsed() < 5 * BUDGET, "opening took {:?}", begun.elapsed());
    assert_fell_back(&cache, TRIED, &["all its calls together took more than 10."]);
    harness.assert_cache_works(&cache)
}

/// One prune uses the driver's budget once, and sqlite finishes it.
pub fn names_one_victim_at_a_time_without_hurry(harness: Harness) -> Tested {
    let harness = harness.with_long_deadlines();
    let cache = harness.open();
    for n in 0..225 {
        fill(&cache, &format!("image-{n:03}"), &bytes(1, 1000));
    }
    let begun = Instant::now();
    cache.prune()?;
    assert!(begun.elapsed() < 5 * BUDGET, "pruning took {:?}", begun.elapsed());
    assert!(cache.cache_size()?.bytes <= MAX_SIZE);
    assert_fell_back(&cache, TRIED, &["all its calls together took more than 10."]);
    harness.assert_cache_works(&cache)
}

/// The same for a driver that is told of removed images.
pub fn is_told_without_hurry(harness: Harness) -> Tested {
    let harness = harness.with_long_deadlines().with(|driver| {
        driver.grants.insert(image_cache::Grant::Sql);
    });
    let cache = harness.open();
    for n in 0..500 {
        fill(&cache, &format!("image-{n:03}"), &bytes(1, 1000));
    }
    let begun = Instant::now();
    assert_eq!(cache.delete_all_cached_images()?, 500);
    assert!(begun.elapsed() < 5 * BUDGET, "deleting took {:?}", begun.elapsed());
    assert_fell_back(&cache, TRIED, &["all its calls together took more than 10."]);
    harness.assert_cache_works(&cache)
}

/// If no bytes are needed, no image that was just published is evicted, and half of the cache stays; if bytes are needed, no more
/// images are evicted than necessary.
pub fn names_every_image_as_victim(harness: Harness) -> Tested {
    let cache = full(&harness);
    assert_eq!(cache.prune()?.images, 2, "the size demands two");
    let counters = cache.counters();
    assert_eq!((counters.victims_too_young, counters.victims_beyond_half), (4, 0));
    assert_eq!(counters.victims_not_needed, 2);
    assert_no_fallback(&cache);
    drop(cache);

    let harness = Harness::of("names_every_image_as_victim");
    let open = |max_size: u64, may_empty: bool| {
        let config = harness.trial.config(harness.driver().clone()).max_size(max_size);
        open(config.policy_min_age(Duration::ZERO).policy_may_empty(may_empty))
    };
    let cache = open(1 << 30, false);
    for id in ["a", "b", "c", "d"] {
        fill(&cache, id, &bytes(1, 10_000));
    }
    assert_eq!(cache.prune()?.images, 2, "half of them");
    assert_eq!(cache.counters().victims_beyond_half, 2);
    drop(cache);
    assert_eq!(open(1 << 30, true).prune()?.images, 2, "the rest, where that is meant");
    let cache = open(0, false);
    fill(&cache, "a", &bytes(1, 10_000));
    assert_eq!(cache.prune()?.images, 1, "0 empties the cache");
    harness.assert_cache_works(&cache)
}

pub fn repeats_its_first_page(harness: Harness) -> Tested {
    harness.assert_replaced(&["records ascend by id"])
}

pub fn lists_in_no_order(harness: Harness) -> Tested {
    harness.assert_replaced(&["records ascend by id"])
}

pub fn lists_paths(harness: Harness) -> Tested {
    harness.assert_replaced(&["../outside.db", "no image id"])
}

pub fn answers_another_images_record(harness: Harness) -> Tested {
    harness.assert_replaced(&["it answered that of \"another\""])
}

pub fn exaggerates_sizes_and_hits(harness: Harness) -> Tested {
    harness.assert_replaced(&["18446744073709551615; at most 9223372036854775807"])
}

/// A cache of four images of 10,000 bytes, with a limit of two images.
fn full(harness: &Harness) -> ImageCache {
    let cache = harness.open();
    for id in ["a", "b", "c", "d"] {
        fill(&cache, id, &bytes(1, 10_000));
    }
    cache
}

/// One prune detects the driver's fault, and finishes its work with sqlite.
fn one_prune_suffices(harness: &Harness, words: &[&str]) -> Tested {
    let cache = full(harness);
    let pruned = cache.prune()?;
    assert_eq!((pruned.images, pruned.bytes), (2, 20_000));
    assert_eq!(cache.cache_size()?.bytes, 20_000);
    assert_fell_back(&cache, TRIED, words);
    harness.assert_cache_works(&cache)
}

pub fn names_victims_that_are_not_cached(harness: Harness) -> Tested {
    one_prune_suffices(&harness.with_long_deadlines(), &["it names victims that are not cached"])
}

pub fn names_the_same_victim_for_ever(harness: Harness) -> Tested {
    one_prune_suffices(&harness, &["it names victims that are not cached"])
}

pub fn names_no_victim(harness: Harness) -> Tested {
    one_prune_suffices(&harness, &["it names no victim"])
}

pub fn names_victims_by_path(harness: Harness) -> Tested {
    one_prune_suffices(&harness, &["../outside.db", "no image id"])?;
    assert!(harness.trial.path("cache.db").exists() && harness.trial.path("queue").is_dir());
    Ok(())
}

pub fn hides_victims_among_strangers(harness: Harness) -> Tested {
    let harness = harness.with_long_deadlines();
    let cache = full(&harness);
    let pruned = cache.prune()?;
    assert_eq!((pruned.images, cache.cache_size()?.bytes), (2, 20_000));
    harness.assert_cache_works(&cache)
}

pub fn names_images_that_are_being_read(harness: Harness) -> Tested {
    let cache = full(&harness);
    let readers = ["a", "b", "c"].map(|id| cache.open_for_read(id));
    let pruned = cache.prune()?;
    // The image without a reader was evicted; the others are reported.
    assert_eq!(cache.cache_size()?.images, 3);
    assert_eq!(pruned.kept.len(), 3, "{:?}", pruned.kept);
    for reader in readers {
        let image = read_all(reader?.ok_or("the image is gone")?)?;
        assert!(image == bytes(1, 10_000));
    }
    cache.prune()?;
    assert!(cache.cache_size()?.bytes <= MAX_SIZE);
    harness.assert_cache_works(&cache)
}

pub fn removes_leftovers_that_were_not_offered(harness: Harness) -> Tested {
    let cache = harness.open();
    let mut writer = cache.caching_reader(
        "being-written",
        std::io::repeat(7),
        image_cache::Expected::nothing(),
    )?;
    std::io::Read::read_exact(&mut writer, &mut [0; 100_000])?;
    harness.trial.put("invalid/broken", b"half an image");
    let cleaned = cache.clean(None)?;
    assert_eq!((cleaned.invalid, cleaned.incomplete), (1, 0));
    assert!(harness.trial.path("incomplete/being-written").exists());
    assert_fell_back(&cache, TRIED, &["not offered"]);
    drop(writer);
    fs::remove_file(harness.trial.path("invalid/being-written"))?;
    harness.assert_cache_works(&cache)
}
