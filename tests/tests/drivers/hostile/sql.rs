//! SQL: harm to time, memory and disk, and access to data of others.

use image_cache::{Expected, ImageCache};
use image_cache_tests::components::open;
use image_cache_tests::hostile::{Harness, MAX_SIZE};
use image_cache_tests::{Mount, Tested, bytes, fill, read_all, serve};
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub fn queries_without_end(harness: Harness) -> Tested {
    // A slow failure counts double, so there is no third wait.
    harness
        .with_short_deadlines()
        .assert_replaced(&["the call took more than 300ms", "2 times within 60 s"])
}

pub fn joins_a_billion_rows(harness: Harness) -> Tested {
    harness.with_short_deadlines().assert_replaced(&["the call took more than 300ms"])
}

pub fn calls_slow_functions(harness: Harness) -> Tested {
    harness.with_short_deadlines().assert_replaced(&["the call took more than 300ms"])
}

pub fn calls_countless_slow_functions(harness: Harness) -> Tested {
    let harness = harness.with_short_deadlines();
    let cache = harness.open();
    fill(&cache, "a", b"bytes");
    assert_calls_are_over_in_time(&cache);
    drop(cache);
    harness.assert_replaced(&["the call took more than 300ms"])
}

/// The call ends in time, and meanwhile the cache of another process can take the directory lock.
pub fn executes_costly_statements(harness: Harness) -> Tested {
    let harness = harness.with_short_deadlines();
    let cache = harness.open();
    let other = open(image_cache::Config::builder(harness.trial.path("")));
    let is_filled = AtomicBool::new(false);
    let longest = std::thread::scope(|scope| -> Tested<Duration> {
        scope.spawn(|| {
            fill(&cache, "a", b"bytes");
            is_filled.store(true, Ordering::SeqCst);
        });
        let mut longest = Duration::ZERO;
        while !is_filled.load(Ordering::SeqCst) {
            let begun = Instant::now();
            other.queue_image("b")?;
            other.delete_queued_image("b")?;
            longest = longest.max(begun.elapsed());
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(longest)
    })?;
    assert!(longest < 5 * Duration::from_millis(100), "the directory was locked for {longest:?}");
    assert_calls_are_over_in_time(&cache);
    drop((cache, other));
    harness.assert_replaced(&["the call took more than 300ms"])
}

/// Asserts that no call took longer than five times its limit plus 100 ms.
fn assert_calls_are_over_in_time(cache: &ImageCache) {
    for calls in cache.counters().driver_calls {
        assert!(calls.longest < 5 * Duration::from_millis(400), "{calls:?}");
    }
}

pub fn keeps_a_sort_aside(harness: Harness) -> Tested {
    harness.with_long_deadlines().assert_harmless()
}

pub fn prepares_a_bomb(harness: Harness) -> Tested {
    harness.with_long_deadlines().assert_harmless()
}

pub fn attaches_a_file_outside(harness: Harness) -> Tested {
    harness.with_long_deadlines().assert_harmless()
}

pub fn vacuums_into_a_file(harness: Harness) -> Tested {
    harness.with_long_deadlines().assert_harmless()
}

pub fn tampers_with_its_schema(harness: Harness) -> Tested {
    harness.with_long_deadlines().assert_harmless()
}

pub fn reads_the_clock_through_sql(harness: Harness) -> Tested {
    harness.with_long_deadlines().assert_harmless()
}

pub fn writes_a_blob_of_a_gigabyte(harness: Harness) -> Tested {
    harness.with_long_deadlines().assert_harmless()
}

pub fn defines_countless_tables(harness: Harness) -> Tested {
    harness.with_long_deadlines().assert_harmless()
}

pub fn defines_a_huge_schema(harness: Harness) -> Tested {
    harness.with_long_deadlines().assert_harmless()
}

pub fn renews_a_query_as_a_bomb(harness: Harness) -> Tested {
    harness.with_long_deadlines().assert_harmless()
}

pub fn swells_values_in_functions(harness: Harness) -> Tested {
    harness.with_long_deadlines().assert_harmless()
}

pub fn fills_its_database(harness: Harness) -> Tested {
    let harness = harness.with_long_deadlines().with(|driver| driver.limits.database = 8 << 20);
    let cache = harness.open();
    for round in 0..2 {
        harness.round(&cache, round)?;
        assert!(on_disk(&harness) <= 8 << 20, "{} bytes on disk", on_disk(&harness));
    }
    assert_eq!(cache.driver().fallback, None);
    harness.assert_cache_works(&cache)?;
    fills_a_real_disk()
}

/// The size of the driver's database and of SQLite's files beside it.
fn on_disk(harness: &Harness) -> u64 {
    let entries = fs::read_dir(harness.trial.path(".image-cache/drivers"));
    let sizes = entries.into_iter().flatten().flatten().map(|entry| entry.metadata());
    sizes.flatten().map(|metadata| metadata.len()).sum()
}

/// On a disk of 24 MiB with a database limit of 1 GiB: readers get every byte, and cached images stay.
fn fills_a_real_disk() -> Tested {
    let Some(mount) = Mount::tmpfs(24 << 20) else { return Ok(()) };
    let scratch = tempfile::tempdir()?;
    let mut driver = image_cache_tests::hostile::hostile("fills_its_database", &scratch);
    driver.options.insert("in".into(), "record-hits".into());
    driver.limits.call_time = Duration::from_secs(30);
    let config = image_cache::Config::builder(mount.path().join("cache"));
    let config = config.define_driver("tried", driver).driver("tried").max_size(MAX_SIZE);
    let cache = ImageCache::open(config.build()?)?;
    let image = bytes(1, 1 << 20);
    fill(&cache, "before", &image);
    for _ in 0..3 {
        assert!(serve(&cache, "before")? == image, "it is not served as it came");
    }
    let large = bytes(2, 8 << 20);
    let passed = read_all(cache.caching_reader("during", &large[..], Expected::nothing())?)?;
    assert!(passed == large, "it did not pass whole");
    assert!(serve(&cache, "before")? == image, "it is not served as it came");
    Ok(())
}
