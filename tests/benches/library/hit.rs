//! A hit: open, read 1 KiB, close; with records that are written at once, and with collected hits.

use image_cache::ImageCache;
use image_cache_tests::Tested;
use image_cache_tests::measure::files::{KIB, config, fill, name, open};
use image_cache_tests::measure::native::{Sqlite, Xattr};
use image_cache_tests::measure::{Bench, Glance, Row, Score, Side, drivers_like, in_turns};
use std::fs::File;
use std::hint::black_box;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

/// Images that are hit in turn.
const IMAGES: usize = 1000;

/// Hits in a turn.
const HITS: usize = 200;

/// The time of a turn with collected hits: long enough to include writing them.
const GATHERED: Duration = Duration::from_millis(1500);

pub fn sqlite(bench: &Bench) -> Tested<Vec<Row>> {
    rows(bench, "sqlite", [50.0, 15.0])
}

pub fn xattr(bench: &Bench) -> Tested<Vec<Row>> {
    rows(bench, "xattr", [20.0, 15.0])
}

fn rows(bench: &Bench, driver: &str, [at_once, gathered]: [f64; 2]) -> Tested<Vec<Row>> {
    let scratch = bench.scratch()?;
    let scores = scores_at_once(bench, driver, scratch.path())?;
    let what = format!("a 1 KiB image, {driver}, written at once");
    let first = Row::new("hit", &what, "µs", &scores, 0).at_most(at_once);
    let cache = cache_of(&scratch.path().join("gathering"), driver, Duration::from_secs(1))?;
    let turn = || gathering(&cache);
    let ours = in_turns(bench.rounds(5), vec![Side::new("ours", turn)])?;
    let what = format!("a 1 KiB image, {driver}, image_cache_hit_delay = 1 s");
    let second = Row::new("hit", &what, "µs", &ours, 0).at_most(gathered);
    let peers = scores.iter().skip(1).map(|score| score.peer(0));
    Ok(vec![first, second.beside(peers).note("the peers write at once")])
}

/// A cache of small images that have been read before, because the first use of an image from another program creates its
/// digests.
pub fn cache_of(directory: &Path, driver: &str, delay: Duration) -> Tested<ImageCache> {
    fill(directory, driver, IMAGES)?;
    let cache = open(config(directory, driver).hit_delay(delay))?;
    for n in 0..IMAGES {
        cache.verify(&name(n))?;
    }
    Ok(cache)
}

/// One hit.
pub fn hit(cache: &ImageCache, n: usize) -> Tested {
    let mut reader = cache.open_for_read(&name(n % IMAGES))?.ok_or("an image is not cached")?;
    let mut kib = KIB;
    reader.read_exact(&mut kib)?;
    black_box(kib);
    Ok(())
}

fn micros(count: usize, mut work: impl FnMut(usize) -> Tested) -> Tested<Vec<f64>> {
    let started = Instant::now();
    (0..count).try_for_each(&mut work)?;
    Ok(vec![started.elapsed().as_secs_f64() * 1e6 / count as f64])
}

/// A turn includes the time for writing the collected hits.
fn gathering(cache: &ImageCache) -> Tested<Vec<f64>> {
    let (started, mut count) = (Instant::now(), 0);
    while started.elapsed() < GATHERED {
        (0..HITS).try_for_each(|n| hit(cache, count + n))?;
        count += HITS;
    }
    cache.flush()?;
    Ok(vec![started.elapsed().as_secs_f64() * 1e6 / count as f64])
}

fn scores_at_once(bench: &Bench, driver: &str, scratch: &Path) -> Tested<Vec<Score>> {
    let cache = cache_of(&scratch.join("ours"), driver, Duration::ZERO)?;
    let native = &scratch.join("native");
    drop(cache_of(native, driver, Duration::ZERO)?);
    let plain = |n: usize| -> Tested {
        let mut kib = KIB;
        File::open(native.join(name(n % IMAGES)))?.read_exact(&mut kib)?;
        black_box(kib);
        Ok(())
    };
    let mut records = Native::open(native, driver);
    let mut sides = vec![
        Side::new("ours", || micros(HITS, |n| hit(&cache, n))),
        Side::new(format!("plain file and native {driver} records"), || {
            micros(HITS, |n| {
                plain(n)?;
                records.count(n)
            })
        }),
        Side::new("plain file", || micros(HITS, plain)),
    ];
    for driver in drivers_like(driver) {
        let found = glance_of(&scratch.join(format!("glance-{driver}")), driver, IMAGES);
        sides.push(Side::of(format!("Glance 33, {driver}"), found, |glance| {
            Ok(vec![glance.ask("hits 50")?.micros_each()])
        }));
    }
    in_turns(bench.rounds(15), sides)
}

/// A Glance with this many small images in its records.
pub fn glance_of(directory: &Path, driver: &str, images: usize) -> Tested<Glance> {
    let mut glance = Glance::start(directory, driver)?;
    glance.ask(&format!("records {images}"))?;
    Ok(glance)
}

/// Records kept without a component.
enum Native {
    Sqlite(Box<Sqlite>),
    Xattr(Xattr),
}

impl Native {
    fn open(directory: &Path, driver: &str) -> Native {
        match driver {
            "sqlite" => Native::Sqlite(Box::new(Sqlite::open(&directory.join("cache.db")))),
            _ => Native::Xattr(Xattr::open(directory)),
        }
    }

    fn count(&mut self, n: usize) -> Tested {
        let hit = image_cache::Hit::new(name(n % IMAGES).parse()?, SystemTime::now());
        match self {
            Native::Sqlite(records) => records.record_hit(&hit),
            Native::Xattr(records) => records.record_hit(&hit),
        }
        Ok(())
    }
}
