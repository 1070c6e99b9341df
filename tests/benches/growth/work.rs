//! The measurements: the cost of each operation for one image, in µs.

use super::point::{Operation, Point};
use super::prefilled::{BYTES, PrefilledCache, id};
use image_cache_tests::Tested;
use image_cache_tests::measure::{Bench, Figure, files};
use std::hint::black_box;
use std::io::Read;
use std::time::{Duration, Instant};

/// Images to hit, spread over the whole cache, and the number of hits in a sample.
const HIT: usize = 1000;
const HITS_PER_SAMPLE: usize = 50;

/// The share of the cache that one prune evicts; and a fixed number, if the cache has ten times as many images.
const TENTH: usize = 10;
const FEW: usize = 1000;

/// Records in a page of the list.
const PAGE: usize = 1000;

/// All measurements; the last ones change the cache.
pub fn all(prefilled: &PrefilledCache, bench: &Bench) -> Tested<Vec<Point>> {
    let mut points = vec![
        point(prefilled, Operation::Open, open(prefilled, bench)?)?,
        point(prefilled, Operation::List, list(prefilled, bench)?)?,
        point(prefilled, Operation::Hit, hit(prefilled)?)?,
    ];
    let (tenth, mut left) = (prefilled.images / TENTH, prefilled.images);
    for (operation, many) in [(Operation::EvictFew, FEW.min(tenth)), (Operation::Evict, tenth)] {
        points.push(point(prefilled, operation, evict(prefilled, bench, &mut left, many)?)?);
    }
    if let Some(bytes) = prefilled.record_bytes() {
        println!("  records: {:.0} bytes per record", bytes as f64 / prefilled.images as f64);
    }
    Ok(points)
}

/// The number of rounds: fewer if each takes half a minute.
fn rounds(prefilled: &PrefilledCache, bench: &Bench, most: usize) -> usize {
    bench.rounds(if prefilled.images < 1_000_000 { most } else { 2 })
}

fn point(prefilled: &PrefilledCache, operation: Operation, samples: Vec<f64>) -> Tested<Point> {
    let cost = Figure::of(&samples).ok_or("there is no sample")?;
    Ok(Point { operation, driver: prefilled.driver, images: prefilled.images, cost })
}

/// The time of opening with reconcile, divided by the number of images.
fn open(prefilled: &PrefilledCache, bench: &Bench) -> Tested<Vec<f64>> {
    let sample = || {
        let started = Instant::now();
        let cache = prefilled.open()?;
        let took = started.elapsed();
        drop(cache);
        Ok(micros(took, prefilled.images))
    };
    // The first round fills the kernel's caches.
    sample()?;
    (0..rounds(prefilled, bench, 5)).map(|_| sample()).collect()
}

/// The time of listing all images, divided by the number of pages.
fn list(prefilled: &PrefilledCache, bench: &Bench) -> Tested<Vec<f64>> {
    let cache = prefilled.open()?;
    let sample = || {
        let started = Instant::now();
        let images = black_box(cache.cached_images()?).len();
        let took = started.elapsed();
        match images == prefilled.images {
            true => Ok(micros(took, prefilled.images.div_ceil(PAGE))),
            false => Err(format!("{images} are listed of {}", prefilled.images).into()),
        }
    };
    (0..rounds(prefilled, bench, 3)).map(|_| sample()).collect()
}

/// The time of open, read, close and writing the record at once, for images that were read before.
fn hit(prefilled: &PrefilledCache) -> Tested<Vec<f64>> {
    let cache = prefilled.open()?;
    let hit: Vec<String> = (0..HIT).map(|n| id(n * prefilled.images / HIT)).collect();
    hit.iter().try_for_each(|id| cache.verify(id).map(drop))?;
    let mut kib = [0; BYTES as usize];
    let samples = hit.chunks(HITS_PER_SAMPLE).map(|ids| {
        let started = Instant::now();
        for id in ids {
            cache.open_for_read(id)?.ok_or("it is not cached")?.read_exact(&mut kib)?;
        }
        Ok(micros(started.elapsed(), ids.len()))
    });
    samples.collect()
}

/// The time of a prune of this many images out of `left`, divided by the number of evicted images.
fn evict(
    prefilled: &PrefilledCache,
    bench: &Bench,
    left: &mut usize,
    many: usize,
) -> Tested<Vec<f64>> {
    let mut samples = Vec::new();
    for _ in 0..rounds(prefilled, bench, 3) {
        *left -= many;
        let cache = prefilled.open_for(*left)?;
        files::sync_all(&prefilled.directory)?;
        let started = Instant::now();
        let pruned = cache.prune()?;
        samples.push(micros(started.elapsed(), many));
        if pruned.images != many as u64 {
            return Err(format!("{} were evicted, not {many}", pruned.images).into());
        }
    }
    Ok(samples)
}

fn micros(took: Duration, shares: usize) -> f64 {
    took.as_secs_f64() * 1e6 / shares as f64
}
