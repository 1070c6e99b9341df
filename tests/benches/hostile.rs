//! What hostile drivers cost under the default limits: how long an operation of the cache takes at most, how much memory
//! the process takes beside it, and what a stream loses meanwhile.
//!
//! A filter among the arguments picks guests by a part of their name.

use image_cache::{CachedReader, Expected, ImageCache};
use image_cache_tests::siege::Siege;
use image_cache_tests::{bytes, for_each_hostile_guest};
use std::fs;
use std::io::{Read, Seek, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a stream is watched, and what of that is left out at its start.
const WATCHED: Duration = Duration::from_secs(5);
const FIRST: Duration = Duration::from_secs(1);

/// Bytes that a stream asks for at once, and has.
const CHUNK: usize = 256 << 10;
const STREAM: usize = 512 << 20;

macro_rules! names {
    ($($guest:ident)+) => {
        [$(stringify!($guest)),+]
    };
}

fn main() {
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let guests = for_each_hostile_guest!(names);
    let mut picked: Vec<&str> = guests
        .into_iter()
        .filter(|name| filter.as_ref().is_none_or(|f| name.contains(f)))
        .collect();
    picked.sort_unstable();
    // Once for what the first cache of a process makes: engine, compiled drivers, buffers.
    drop(besiege("panics_with_words"));
    println!(
        "{:40} {:>12} {:>12} {:>10}  in the end",
        "driver", "longest call", "operation", "memory"
    );
    for guest in picked.iter().filter(|guest| **guest != "weighs_a_hundred_megabytes") {
        let toll = besiege(guest);
        println!(
            "{guest:40} {:>12.0?} {:>12.0?} {:>6} MiB  {}",
            toll.call,
            toll.operation,
            toll.memory >> 20,
            if toll.replaced { "replaced" } else { "harmless" }
        );
    }
    let alone = stream(None);
    println!("\na stream alone: {:.0} MiB/s", alone);
    for guest in picked {
        let beside = stream(Some(guest));
        println!("beside {guest:40} {beside:.0} MiB/s ({:+.1} %)", (beside / alone - 1.0) * 100.0);
    }
}

/// What a driver cost.
struct Toll {
    /// The longest question about one image: one call of the driver, and another where the first trapped.
    call: Duration,
    /// The longest operation of any kind.
    operation: Duration,
    /// Bytes by which the process grew at most.
    memory: u64,
    replaced: bool,
}

fn besiege(guest: &str) -> Toll {
    let siege = Siege::by(guest);
    let before = reset_peak();
    let (cache, mut operation) = timed(|| siege.open());
    let mut call = Duration::ZERO;
    for round in 0..3 {
        let id = format!("asked-{round}");
        call = call.max(timed(|| cache.is_cacheable(&id, Some(1)).is_ok()).1);
        call = call.max(timed(|| cache.cached_image("kept-0").is_ok()).1);
        let image = bytes(round, 10_000);
        let operations: [&dyn Fn(); 6] = [
            &|| drop(cache.cache_image(&id, &image[..], Expected::nothing())),
            &|| drop(cache.open_for_read(&id).map(|reader| reader.map(drain))),
            &|| drop(cache.cached_images()),
            &|| drop(cache.clean(None)),
            &|| drop(cache.prune()),
            &|| drop(cache.delete_cached_image(&id)),
        ];
        for work in operations {
            operation = operation.max(timed(work).1);
        }
    }
    let memory = peak().saturating_sub(before);
    Toll {
        call,
        operation: operation.max(call),
        memory,
        replaced: cache.driver().fallback.is_some(),
    }
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
    status("VmRSS:")
}

fn peak() -> u64 {
    status("VmHWM:")
}

/// A line of `/proc/self/status`, in bytes.
fn status(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0) << 10
}

/// MiB per second of a stream after its first second, while another thread uses a cache with this driver over and over.
/// Every byte is compared.
fn stream(guest: Option<&str>) -> f64 {
    let siege = Siege::by(guest.unwrap_or("weighs_a_hundred_megabytes"));
    let chunk = bytes(42, CHUNK);
    fs::create_dir_all(siege.trial.dir()).expect("a cache directory");
    let mut file = fs::File::create(siege.trial.path("streamed")).expect("an image");
    for _ in 0..STREAM / CHUNK {
        file.write_all(&chunk).expect("room for the image");
    }
    let cache = siege.open();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        if guest.is_some() {
            scope.spawn(|| annoy(&siege, &over));
        }
        let rate = watch(&cache, &chunk);
        over.store(true, Ordering::Relaxed);
        rate
    })
}

/// Uses a cache of its own under the same driver, so that the image which is streamed is not evicted.
fn annoy(siege: &Siege, over: &AtomicBool) {
    let other =
        Siege::by("weighs_a_hundred_megabytes").with(|driver| *driver = siege.driver().clone());
    while !over.load(Ordering::Relaxed) {
        // Opened anew each time: a driver that was replaced gets its place back.
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

fn watch(cache: &ImageCache, chunk: &[u8]) -> f64 {
    let mut reader = cache.open_for_read("streamed").expect("a cache").expect("a cached image");
    let (mut buffer, started) = (vec![0; CHUNK], Instant::now());
    let (mut counted, mut from, mut position) = (0_u64, None, 0);
    while started.elapsed() < WATCHED {
        reader.read_exact(&mut buffer).expect("the stream goes on");
        assert!(buffer == chunk, "a byte is wrong");
        position += CHUNK;
        // Never to its end, which would be a hit.
        if position + CHUNK >= STREAM {
            reader.rewind().expect("it starts again");
            position = 0;
        }
        match from {
            None if started.elapsed() >= FIRST => from = Some(Instant::now()),
            None => {}
            Some(_) => counted += CHUNK as u64,
        }
    }
    counted as f64 / from.map_or(1.0, |from| from.elapsed().as_secs_f64()) / (1 << 20) as f64
}
