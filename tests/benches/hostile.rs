//! The cost of hostile drivers under the default limits: the longest time of an operation of the cache, the growth of the
//! process's memory, and the slowdown of a concurrent stream.

use image_cache::{CachedReader, Expected, ImageCache};
use image_cache_tests::hostile::Harness;
use image_cache_tests::measure::{Bench, Figure, Measure, Row, memory_of};
use image_cache_tests::{Tested, bytes, for_each_hostile_guest};
use md5::{Digest, Md5};
use std::fs;
use std::io::{Read, Seek};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The time for which a stream is measured, and the time at its start that is ignored.
const WATCHED: Duration = Duration::from_secs(5);
const FIRST: Duration = Duration::from_secs(1);

/// Bytes in one read of a stream, and in the whole image.
const CHUNK: usize = 256 << 10;
const STREAM: usize = 256 << 20;

/// The drivers that run during the measurement of a stream: those that use most of a processor, of memory, or of the disk.
const NOISY: [&str; 10] = [
    "answers_a_huge_text",
    "calls_slow_functions",
    "fills_its_database",
    "floods_attributes",
    "floods_the_log",
    "keeps_a_sort_aside",
    "loops_in_every_export",
    "loops_through_the_host",
    "queries_without_end",
    "takes_all_memory",
];

macro_rules! names {
    ($($guest:ident)+) => {
        [$(stringify!($guest)),+]
    };
}

pub const MEASURES: [Measure; 2] = [("hostile_fill", fills), ("hostile_stream", streams)];

/// The worst result of all drivers.
fn fills(_: &Bench) -> Tested<Vec<Row>> {
    let mut guests = for_each_hostile_guest!(names);
    guests.sort_unstable();
    // Run once for one-time costs of a process: engine, compiled drivers, buffers.
    let _ = cost_of("panics_with_words");
    println!("{:38} {:>10} {:>10} {:>9}  in the end", "driver", "a fill", "slowest", "memory");
    let (mut seconds, mut mib) = (Vec::new(), Vec::new());
    for guest in &guests {
        let cost = cost_of(guest);
        println!(
            "{guest:38} {:>10.1?} {:>10.1?} {:>5} MiB  {}",
            cost.fill,
            cost.slowest,
            cost.memory >> 20,
            if cost.replaced { "replaced" } else { "harmless" }
        );
        seconds.push(cost.fill.as_secs_f64());
        mib.push((cost.memory >> 20) as f64);
    }
    let what = |what: &str| {
        format!("{what}, worst of {} drivers (range of all drivers in brackets)", guests.len())
    };
    Ok(vec![
        worst(&what("a fill"), "s", &seconds).at_most(2.0),
        worst(&what("growth of the host's memory"), "MiB", &mib).at_most(128.0),
    ])
}

/// The largest value, with the range of all.
fn worst(what: &str, unit: &str, figures: &[f64]) -> Row {
    let figure = Figure::of(figures).map(|all| Figure { median: all.high, ..all });
    Row::of("hostile drivers", what, unit, figure)
}

/// The slowdown of a stream while the most expensive drivers run.
fn streams(_: &Bench) -> Tested<Vec<Row>> {
    let mut losses = Vec::new();
    for guest in NOISY {
        let (alone, beside) = (stream(guest, false), stream(guest, true));
        let loss = (1.0 - beside / alone) * 100.0;
        println!("beside {guest:24} {beside:5.0} MiB/s; alone {alone:5.0} ({:+.1} %)", -loss);
        losses.push(loss);
    }
    let what = format!("slowdown of a stream beside one, worst of {} drivers", NOISY.len());
    Ok(vec![worst(&what, "%", &losses).at_most(10.0)])
}

/// The cost of a driver.
struct Cost {
    /// The longest fill: the driver admits an image and records it, and commits its fault once.
    fill: Duration,
    /// The longest operation of any kind, which may call the driver several times and repair its records.
    slowest: Duration,
    /// The largest growth of the process in bytes.
    memory: u64,
    replaced: bool,
}

fn cost_of(guest: &str) -> Cost {
    let harness = Harness::of(guest);
    let before = reset_peak();
    let (cache, mut slowest) = timed(|| harness.open());
    let mut longest = Duration::ZERO;
    for round in 0..4 {
        let (id, image) = (format!("image-{round}"), bytes(round, 10_000));
        let (_, fill) = timed(|| drop(cache.cache_image(&id, &image[..], Expected::nothing())));
        longest = longest.max(fill);
        let operations: [&dyn Fn(); 5] = [
            &|| drop(cache.open_for_read(&id).map(|reader| reader.map(drain))),
            &|| drop(cache.cached_images()),
            &|| drop(cache.clean(None)),
            &|| drop(cache.prune()),
            &|| drop(cache.delete_cached_image("image-0")),
        ];
        for work in operations {
            slowest = slowest.max(timed(work).1);
        }
    }
    let memory = peak().saturating_sub(before);
    let replaced = cache.driver().fallback.is_some();
    Cost { fill: longest, slowest: slowest.max(longest), memory, replaced }
}

fn drain(mut reader: CachedReader) {
    std::io::copy(&mut reader, &mut std::io::sink()).expect("a cached image can be read");
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let started = Instant::now();
    let result = work();
    (result, started.elapsed())
}

/// Resets the peak of resident memory, and returns the current resident memory.
fn reset_peak() -> u64 {
    fs::write("/proc/self/clear_refs", "5").expect("the peak of resident memory can be reset");
    memory_of(std::process::id(), "VmRSS")
}

fn peak() -> u64 {
    memory_of(std::process::id(), "VmHWM")
}

/// The speed of a stream in MiB per second after its first second; if requested, another thread repeatedly uses a cache with this
/// driver meanwhile. The reader hashes the bytes, and compares the digest with that of the image.
fn stream(guest: &str, is_disturbed: bool) -> f64 {
    let harness = Harness::of(guest);
    let image = bytes(42, STREAM);
    fs::create_dir_all(harness.trial.dir()).expect("a cache directory");
    fs::write(harness.trial.path("streamed"), &image).expect("room for the image");
    let expected = Md5::digest(&image[..STREAM - CHUNK]);
    drop(image);
    let cache = harness.open();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        if is_disturbed {
            scope.spawn(|| disturb(&harness, &over));
        }
        let rate = watch(&cache, &expected);
        over.store(true, Ordering::Relaxed);
        rate
    })
}

/// Uses a separate cache with the same driver, so that the streamed image is not evicted.
fn disturb(harness: &Harness, over: &AtomicBool) {
    let other =
        Harness::of("weighs_a_hundred_megabytes").with(|driver| *driver = harness.driver().clone());
    while !over.load(Ordering::Relaxed) {
        // Opened again in each round: a driver that was replaced is active again.
        let cache = other.open();
        for round in 0..2 {
            let _ = cache.cache_image(
                &format!("image-{round}"),
                &bytes(round, 10_000)[..],
                Expected::nothing(),
            );
            let _ = cache.cached_images();
            let _ = cache.prune();
        }
        let _ = cache.delete_all_cached_images();
    }
}

/// A stream that restarts before its end, repeatedly.
fn watch(cache: &ImageCache, expected: &[u8]) -> f64 {
    let mut reader = cache.open_for_read("streamed").expect("a cache").expect("a cached image");
    let (mut buffer, started) = (vec![0; CHUNK], Instant::now());
    let (mut counted, mut from) = (0_u64, None);
    while started.elapsed() < WATCHED {
        reader.rewind().expect("the reader can seek");
        let mut digest = Md5::new();
        for _ in 1..STREAM / CHUNK {
            reader.read_exact(&mut buffer).expect("the stream continues");
            digest.update(&buffer);
            match from {
                None if started.elapsed() >= FIRST => from = Some(Instant::now()),
                None => {}
                Some(_) => counted += CHUNK as u64,
            }
        }
        assert!(digest.finalize()[..] == *expected, "a byte is wrong");
    }
    counted as f64 / from.map_or(1.0, |from| from.elapsed().as_secs_f64()) / (1 << 20) as f64
}
