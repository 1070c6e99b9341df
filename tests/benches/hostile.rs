//! What hostile drivers cost under the default limits: how long an operation of the cache takes at most, how much memory
//! the process takes beside it, and what a stream loses meanwhile.

use image_cache::{CachedReader, Expected, ImageCache};
use image_cache_tests::hostile::Harness;
use image_cache_tests::measure::{Bench, Figure, Measure, Row, memory_of};
use image_cache_tests::{Tested, bytes, for_each_hostile_guest};
use md5::{Digest, Md5};
use std::fs;
use std::io::{Read, Seek};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a stream is watched, and what of that is left out at its start.
const WATCHED: Duration = Duration::from_secs(5);
const FIRST: Duration = Duration::from_secs(1);

/// Bytes that a stream asks for at once, and has.
const CHUNK: usize = 256 << 10;
const STREAM: usize = 256 << 20;

/// Beside whom a stream is measured: those that take most of a processor, of memory, or of the disk.
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

/// The worst of all of them.
fn fills(_: &Bench) -> Tested<Vec<Row>> {
    let mut guests = for_each_hostile_guest!(names);
    guests.sort_unstable();
    // Once for what the first cache of a process makes: engine, compiled drivers, buffers.
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
    let what =
        |what: &str| format!("{what}, worst of {} drivers (their least in brackets)", guests.len());
    Ok(vec![
        worst(&what("a fill"), "s", &seconds).at_most(2.0),
        worst(&what("memory the host grows by"), "MiB", &mib).at_most(128.0),
    ])
}

/// The greatest, with the spread of all.
fn worst(what: &str, unit: &str, figures: &[f64]) -> Row {
    let figure = Figure::of(figures).map(|all| Figure { median: all.high, ..all });
    Row::of("hostile drivers", what, unit, figure)
}

/// What a stream loses beside those that take most of the machine.
fn streams(_: &Bench) -> Tested<Vec<Row>> {
    let mut losses = Vec::new();
    for guest in NOISY {
        let (alone, beside) = (stream(guest, false), stream(guest, true));
        let loss = (1.0 - beside / alone) * 100.0;
        println!("beside {guest:24} {beside:5.0} MiB/s; alone {alone:5.0} ({:+.1} %)", -loss);
        losses.push(loss);
    }
    let what = format!("what a stream loses beside one, worst of {} drivers", NOISY.len());
    Ok(vec![worst(&what, "%", &losses).at_most(10.0)])
}

/// What a driver cost.
struct Cost {
    /// The longest fill: the driver admits an image and records it, and commits its fault once.
    fill: Duration,
    /// The longest operation of any kind, which may ask the driver several times and repair its records.
    slowest: Duration,
    /// Bytes by which the process grew at most.
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

/// Forgets the peak of resident memory, and answers what is resident now.
fn reset_peak() -> u64 {
    fs::write("/proc/self/clear_refs", "5").expect("the peak of resident memory can be reset");
    memory_of(std::process::id(), "VmRSS")
}

fn peak() -> u64 {
    memory_of(std::process::id(), "VmHWM")
}

/// MiB per second of a stream after its first second, where that is asked for while another thread uses a cache with this
/// driver over and over. Its reader hashes what it gets, and holds the digest against the image's.
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

/// Uses a cache of its own under the same driver, so that the image which is streamed is not evicted.
fn disturb(harness: &Harness, over: &AtomicBool) {
    let other =
        Harness::of("weighs_a_hundred_megabytes").with(|driver| *driver = harness.driver().clone());
    while !over.load(Ordering::Relaxed) {
        // Opened anew each time: a driver that was replaced serves again.
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

/// One stream that starts again before its end, over and over.
fn watch(cache: &ImageCache, expected: &[u8]) -> f64 {
    let mut reader = cache.open_for_read("streamed").expect("a cache").expect("a cached image");
    let (mut buffer, started) = (vec![0; CHUNK], Instant::now());
    let (mut counted, mut from) = (0_u64, None);
    while started.elapsed() < WATCHED {
        reader.rewind().expect("it starts again");
        let mut digest = Md5::new();
        for _ in 1..STREAM / CHUNK {
            reader.read_exact(&mut buffer).expect("the stream goes on");
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
