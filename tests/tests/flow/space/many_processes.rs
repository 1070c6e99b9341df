//! Many concurrent fills in many processes: they never exceed the hard limit or the floor.

use super::{MIB, disk, free, image, sized};
use image_cache::{Expected, ImageCache, Outcome};
use image_cache_tests::{TempCache, Tested, fill, read_until_error, with_both_drivers};
use std::fs::{self, File};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

with_both_drivers![fills_in_many_processes_never_exceed_the_hard_limit_or_the_floor,];

const LIMIT: u64 = 3 * MIB;

const FLOOR: u64 = 3 * MIB;

fn bounded(temp: &TempCache) -> ImageCache {
    temp.open_with(|config| config.max_size(LIMIT).hard_limit(true).min_free(FLOOR))
}

/// Fills the cache with images of many lengths, known and unknown; returns the number of cached images.
fn fill_many(cache: &ImageCache, process: u64) -> u64 {
    let cached = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let cached = &cached;
            scope.spawn(move || {
                for round in 0..30 {
                    let seed = process * 1000 + thread * 100 + round;
                    let image = image(seed, (seed * 7919) % (MIB / 2));
                    let expected = match round % 3 {
                        0 => Expected::nothing(),
                        _ => sized(image.len() as u64),
                    };
                    let mut reader = cache
                        .caching_reader(&format!("{seed}"), &image[..], expected)
                        .expect("the id is sound");
                    let (came, end) = read_until_error(&mut reader, 100_000);
                    end.expect("the source is sound");
                    assert!(came == image);
                    if let Some(Outcome::Cached(_)) = reader.outcome() {
                        cached.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    cached.into_inner()
}

/// Runs as another process, under the test below.
#[test]
fn filling_beside_others() -> Tested {
    let Some(temp) = TempCache::of_parent() else { return Ok(()) };
    let cached = fill_many(&bounded(&temp), u64::from(std::process::id()));
    println!("\ncached {cached}");
    Ok(())
}

/// The bytes of cached images and of running fills, while no process publishes or reserves.
fn taken(temp: &TempCache) -> Tested<u64> {
    let lock = File::open(temp.path(".image-cache/lock"))?;
    lock.lock()?;
    let running = temp.names("incomplete").into_iter().filter_map(|name| {
        // It may be rolled back meanwhile.
        Some(fs::metadata(temp.path("incomplete").join(name)).ok()?.len())
    });
    Ok(running.sum::<u64>() + temp.images().values().map(|image| image.size).sum::<u64>())
}

fn fills_in_many_processes_never_exceed_the_hard_limit_or_the_floor(temp: &TempCache) -> Tested {
    let Some((mount, temp)) = disk(temp, 7 * MIB) else { return Ok(()) };
    let cache = bounded(&temp);
    fill(&cache, "first", b"image");
    let done = AtomicBool::new(false);
    let (most, least) = std::thread::scope(|scope| -> Tested<(u64, u64)> {
        let watch = scope.spawn(|| {
            let (mut most, mut least) = (0, u64::MAX);
            while !done.load(Ordering::Relaxed) {
                most = most.max(taken(&temp).expect("the directory can be read"));
                least = least.min(free(mount.path()));
            }
            (most, least)
        });
        let test = "space::many_processes::filling_beside_others";
        let children: Result<Vec<_>, _> =
            (0..3).map(|_| temp.in_child(test).and_then(|mut child| child.spawn())).collect();
        assert!(fill_many(&cache, 0) > 0);
        for child in children? {
            let output = child.wait_with_output()?;
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        }
        done.store(true, Ordering::Relaxed);
        Ok(watch.join().map_err(|_| "watching failed")?)
    })?;
    assert!(most <= LIMIT, "{most} bytes of at most {LIMIT}");
    // The records also need a little space.
    assert!(least + MIB / 2 >= FLOOR, "{least} bytes were free, {FLOOR} should have stayed");
    assert!(most > LIMIT / 2, "{most}: the limit was not even approached");
    assert!(temp.names("incomplete").is_empty());
    let records = temp.records_in_sync();
    assert_eq!(records.len() as u64, cache.cache_size()?.images);
    Ok(())
}
