//! The cost of the component boundary: calls to a driver compared with the same work in native code, and the time to load a
//! driver.

use image_cache::{AdmissionRequest, CachedImage, Config, Driver, Hit, Requester, conformance};
use image_cache_tests::Tested;
use image_cache_tests::measure::files::{config, fill, name};
use image_cache_tests::measure::native::{Sqlite, Xattr};
use image_cache_tests::measure::{self, Asked, Bench, Measure, Row, Score, Side, in_turns};
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

const IMAGES: usize = 1000;

/// Rounds of the comparison, and calls per turn.
const ROUNDS: usize = 200;
const CALLS: usize = 50;

pub const MEASURES: [Measure; 3] =
    [("driver_call_sqlite", sqlite), ("driver_call_xattr", xattr), ("driver_load", load)];

/// A cache of small images that have records.
struct TempCache {
    scratch: TempDir,
    driver: &'static str,
}

impl TempCache {
    fn new(bench: &Bench, driver: &'static str) -> Tested<TempCache> {
        let scratch = bench.scratch()?;
        fill(scratch.path(), driver, IMAGES)?;
        Ok(TempCache { scratch, driver })
    }

    fn path(&self) -> &Path {
        self.scratch.path()
    }

    fn config(&self) -> Config {
        config(self.path(), self.driver).build().expect("a valid configuration")
    }

    fn component(&self) -> Driver {
        conformance::load(&self.config()).expect("the driver loads")
    }
}

/// Times that differ between calls, so that each call writes.
fn at(n: usize) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_900_000_000) + Duration::from_micros(n as u64)
}

fn hit(n: usize) -> Hit {
    Hit::new(name(n % IMAGES).parse().expect("a plain name is an id"), at(n))
}

/// The record of the file, with the n-th time as its last access.
fn record(n: usize) -> CachedImage {
    let image_id = name(n % IMAGES).parse().expect("a plain name is an id");
    let (hits, checksum) = (n as u64, None);
    CachedImage::new(image_id, 1024, at(0))
        .with_hits(hits)
        .with_last_accessed(at(n))
        .with_checksum(checksum)
}

/// The times of each call through the component and natively: both get each number once, in turns.
fn compare<'a>(
    bench: &Bench,
    component: impl FnMut(usize) + 'a,
    native: impl FnMut(usize) + 'a,
) -> Tested<Vec<Score>> {
    let side = |name: &str, number: usize, work: Box<dyn FnMut(usize) + 'a>| {
        let (mut work, mut round) = (work, 0);
        Side::new(name, move || {
            let first = (round * 2 + number) * CALLS;
            let started = Instant::now();
            (first..first + CALLS).for_each(&mut work);
            round += 1;
            Ok(vec![started.elapsed().as_secs_f64() * 1e6 / CALLS as f64])
        })
    };
    let sides =
        vec![side("the component", 0, Box::new(component)), side("native", 1, Box::new(native))];
    in_turns(bench.rounds(ROUNDS), sides)
}

/// The target is at most 1.15 times the native time.
fn row(call: &str, driver: &str, scores: &[Score]) -> Row {
    let median = |nth: usize| scores[nth].figure(0).map_or(f64::NAN, |figure| figure.median);
    let row = Row::new("driver call", &format!("{call}, {driver}"), "µs", scores, 0);
    row.asking(Asked::AtMost(1.15), median(0) / median(1), "times native")
}

fn sqlite(bench: &Bench) -> Tested<Vec<Row>> {
    let temp = TempCache::new(bench, "sqlite")?;
    let (component, mut native) = (temp.component(), Sqlite::open(&temp.path().join("cache.db")));
    let hits = compare(
        bench,
        |n| component.record_hits(&[hit(n)]).expect("a hit"),
        |n| native.record_hit(&hit(n)),
    )?;
    let finds = compare(
        bench,
        |n| drop(black_box(component.cached_image(&hit(n).image_id).expect("a record"))),
        |n| drop(black_box(native.find(hit(n).image_id.as_str()))),
    )?;
    let records = compare(
        bench,
        |n| component.record_cached(&record(n), None).expect("a record"),
        |n| native.record(&record(n)),
    )?;
    Ok(vec![
        row("record-hits, one", "sqlite", &hits),
        row("get-cached-image", "sqlite", &finds),
        row("record-cached", "sqlite", &records),
        admission(bench, &component, "sqlite")?,
    ])
}

fn xattr(bench: &Bench) -> Tested<Vec<Row>> {
    let temp = TempCache::new(bench, "xattr")?;
    let (component, mut native) = (temp.component(), Xattr::open(temp.path()));
    let hits = compare(
        bench,
        |n| component.record_hits(&[hit(n)]).expect("a hit"),
        |n| native.record_hit(&hit(n)),
    )?;
    Ok(vec![row("record-hits, one", "xattr", &hits), admission(bench, &component, "xattr")?])
}

/// The call does no work: this is only the cost of a call.
fn admission(bench: &Bench, component: &Driver, driver: &str) -> Tested<Row> {
    let scores = compare(
        bench,
        |n| {
            let (image_id, requester) = (&hit(n).image_id, &Requester::default());
            let request = AdmissionRequest::new(image_id, Some(1), at(n), requester);
            black_box(component.admit(&request).expect("an answer"));
        },
        |n| drop(black_box(hit(n))),
    )?;
    let what = format!("is-cacheable, {driver}: only the cost of a call");
    Ok(Row::new("driver call", &what, "µs", &scores, 0))
}

/// The time from the name to a configured driver, with existing records; with a warm and with a cold compile cache.
fn load(bench: &Bench) -> Tested<Vec<Row>> {
    let mut rows = Vec::new();
    for driver in ["sqlite", "xattr"] {
        let temp = TempCache::new(bench, driver)?;
        let millis = || {
            let started = Instant::now();
            black_box(temp.component());
            Ok(vec![started.elapsed().as_secs_f64() * 1e3])
        };
        let warm = vec![Side::new("ours", millis)];
        let warm = in_turns(bench.rounds(50), warm)?;
        let cold = vec![Side::new("ours", || {
            let _ = fs::remove_dir_all(measure::compiled().ok_or("no compile cache is set")?);
            millis()
        })];
        let cold = in_turns(bench.rounds(20), cold)?;
        let row = |how: &str, scores: &[Score]| {
            Row::new("driver load", &format!("{driver}, compile cache {how}"), "ms", scores, 0)
        };
        rows.push(row("warm", &warm).at_most(5.0));
        rows.push(row("cold", &cold).at_most(150.0));
    }
    Ok(rows)
}
