//! What a driver costs for being a component: its calls beside the same work done natively, the share of that in a whole hit, and
//! loading it.
//!
//! divan shows the spread of each; what is held against the aims is measured before, turn by turn, so that both sides see the same
//! machine.

mod native;

use divan::{Bencher, black_box};
use image_cache::{CachedImage, Config, Driver, Hit, ImageCache, conformance};
use native::{Sqlite, Xattr};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

const DRIVERS: [&str; 2] = ["sqlite", "xattr"];
const IMAGES: usize = 1000;

/// Rounds of the comparison, and calls in each turn.
const ROUNDS: usize = 200;
const CALLS: usize = 50;

/// Where compiled drivers are kept, so that they can be removed: `compiled/` in this.
const COMPILE_CACHE: &str = "CACHE_DIRECTORY";

fn main() -> ExitCode {
    if std::env::var_os("IMAGE_CACHE_BENCH").is_none() {
        return again_with_a_compile_cache();
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let chosen = arguments.iter().filter(|argument| !argument.starts_with('-'));
    let wanted = chosen.clone().count() == 0 || chosen.clone().any(|name| name == "compare");
    // cargo says so where it does not only list or test.
    if wanted && arguments.iter().any(|argument| argument == "--bench") {
        compare();
    }
    divan::main();
    ExitCode::SUCCESS
}

/// Runs this program once more, with a compile cache of its own.
fn again_with_a_compile_cache() -> ExitCode {
    let compiled = scratch();
    let program = std::env::current_exe().expect("this program has a path");
    let mut command = Command::new(program);
    command.args(std::env::args_os().skip(1)).env("IMAGE_CACHE_BENCH", "1");
    let status = command.env(COMPILE_CACHE, compiled.path()).status().expect("it runs");
    if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn scratch() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory for the benchmark")
}

/// A cache of small images that the driver has in its books.
struct Place {
    scratch: TempDir,
    driver: &'static str,
}

impl Place {
    fn new(driver: &'static str) -> Place {
        let scratch = scratch();
        for n in 0..IMAGES {
            fs::write(scratch.path().join(name(n)), [7; 1024]).expect("an image");
        }
        let place = Place { scratch, driver };
        drop(place.cache());
        place
    }

    fn path(&self) -> &Path {
        self.scratch.path()
    }

    fn config(&self) -> Config {
        let config = Config::builder(self.path()).driver(self.driver).max_size(1 << 40);
        config.build().expect("a valid configuration")
    }

    fn cache(&self) -> ImageCache {
        ImageCache::open(self.config()).expect("a cache")
    }

    fn component(&self) -> Driver {
        conformance::load(&self.config()).expect("the driver loads")
    }
}

fn name(n: usize) -> String {
    format!("image-{n:06}")
}

/// Times that differ from call to call, so that each writes.
fn at(n: usize) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_900_000_000) + Duration::from_micros(n as u64)
}

fn hit(n: usize) -> Hit {
    Hit { image_id: name(n % IMAGES).parse().expect("a plain name is an id"), at: at(n) }
}

/// The same record as the file's, last accessed at the n-th time.
fn record(n: usize) -> CachedImage {
    let image_id = name(n % IMAGES).parse().expect("a plain name is an id");
    let (hits, checksum) = (n as u64, None);
    CachedImage { image_id, size: 1024, hits, last_accessed: at(n), last_modified: at(0), checksum }
}

/// One kind of work, by a component and natively, and what it is a part of.
struct Pair<'a> {
    what: String,
    component: Box<dyn FnMut(usize) + 'a>,
    native: Box<dyn FnMut(usize) + 'a>,
    /// Whether it is what a hit asks of its driver.
    in_hit: bool,
}

/// The figures that are held against the aims: at most 2 µs for a call, and 15 % of a whole hit.
fn compare() {
    for driver in DRIVERS {
        let place = Place::new(driver);
        let component = place.component();
        let whole = whole_hit(&place);
        println!("a whole hit with {driver}: {whole:.1?}");
        let mut sqlite = (driver == "sqlite").then(|| Sqlite::open(&place.path().join("cache.db")));
        let mut xattr = (driver == "xattr").then(|| Xattr::open(place.path()));
        let pairs = match (&mut sqlite, &mut xattr) {
            (Some(native), _) => sqlite_pairs(&component, native),
            (_, Some(native)) => xattr_pairs(&component, native),
            _ => Vec::new(),
        };
        for mut pair in pairs {
            let (component, native) = in_turns(&mut pair);
            let more = component.as_secs_f64() - native.as_secs_f64();
            let share = match pair.in_hit {
                true => format!(", {:.1} % of a hit", more / whole.as_secs_f64() * 100.0),
                false => String::new(),
            };
            let what = &pair.what;
            println!(
                "  {what}: component {component:.1?}, native {native:.1?}: {:+.2} µs{share}",
                more * 1e6
            );
        }
    }
}

fn sqlite_pairs<'a>(component: &'a Driver, native: &'a mut Sqlite) -> Vec<Pair<'a>> {
    let native = std::cell::RefCell::new(native);
    let native = std::rc::Rc::new(native);
    let with = |work: fn(&mut Sqlite, usize)| -> Box<dyn FnMut(usize) + 'a> {
        let native = std::rc::Rc::clone(&native);
        Box::new(move |n| work(&mut native.borrow_mut(), n))
    };
    vec![
        Pair {
            what: "record-hits, one".into(),
            component: Box::new(|n| component.record_hits(&[hit(n)]).expect("a hit")),
            native: with(|native, n| native.record_hit(&hit(n))),
            in_hit: true,
        },
        Pair {
            what: "get-cached-image".into(),
            component: Box::new(|n| {
                black_box(component.cached_image(&hit(n).image_id).expect("a record"));
            }),
            native: with(|native, n| {
                black_box(native.find(hit(n).image_id.as_str()));
            }),
            in_hit: false,
        },
        Pair {
            what: "record-cached".into(),
            component: Box::new(|n| component.record_cached(&record(n), None).expect("a record")),
            native: with(|native, n| native.record(&record(n))),
            in_hit: false,
        },
        admission(component),
    ]
}

fn xattr_pairs<'a>(component: &'a Driver, native: &'a mut Xattr) -> Vec<Pair<'a>> {
    vec![
        Pair {
            what: "record-hits, one".into(),
            component: Box::new(|n| component.record_hits(&[hit(n)]).expect("a hit")),
            native: Box::new(|n| native.record_hit(&hit(n))),
            in_hit: true,
        },
        admission(component),
    ]
}

/// Nothing is to be done for it: the price of a call alone.
fn admission(component: &Driver) -> Pair<'_> {
    Pair {
        what: "is-cacheable".into(),
        component: Box::new(|n| {
            black_box(component.is_cacheable(&hit(n).image_id, Some(1), at(n)).expect("an answer"));
        }),
        native: Box::new(|n| {
            black_box(hit(n));
        }),
        in_hit: false,
    }
}

/// The median of a call by either side, in turns of some calls each.
fn in_turns(pair: &mut Pair<'_>) -> (Duration, Duration) {
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        let sides: [&mut dyn FnMut(usize); 2] = [&mut pair.component, &mut pair.native];
        for (side, (work, times)) in sides.into_iter().zip(&mut times).enumerate() {
            let start = Instant::now();
            (0..CALLS).for_each(|call| work((round * 2 + side) * CALLS + call));
            times.push(start.elapsed() / CALLS as u32);
        }
    }
    let [component, native] = times.map(median);
    (component, native)
}

/// Open, read 1 KiB, count: the median of a hit.
fn whole_hit(place: &Place) -> Duration {
    let cache = place.cache();
    let times = (0..ROUNDS).map(|round| {
        let start = Instant::now();
        (0..CALLS).for_each(|call| read(&cache, round * CALLS + call));
        start.elapsed() / CALLS as u32
    });
    median(times.collect())
}

fn read(cache: &ImageCache, n: usize) {
    let reader = cache.open_for_read(&name(n % IMAGES)).expect("a cache");
    let mut kib = [0; 1024];
    reader.expect("a cached image").read_exact(&mut kib).expect("1 KiB");
    black_box(kib);
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[divan::bench(args = DRIVERS, sample_count = 1000)]
fn record_hit_by_component(bencher: Bencher, driver: &'static str) {
    let place = Place::new(driver);
    let component = place.component();
    let mut n = 0;
    bencher.bench_local(|| {
        n += 1;
        component.record_hits(&[hit(n)]).expect("a hit");
    });
}

#[divan::bench(args = DRIVERS, sample_count = 1000)]
fn record_hit_natively(bencher: Bencher, driver: &'static str) {
    let place = Place::new(driver);
    let mut n = 0;
    if driver == "sqlite" {
        let mut native = Sqlite::open(&place.path().join("cache.db"));
        bencher.bench_local(|| {
            n += 1;
            native.record_hit(&hit(n));
        });
    } else {
        let mut native = Xattr::open(place.path());
        bencher.bench_local(|| {
            n += 1;
            native.record_hit(&hit(n));
        });
    }
}

#[divan::bench(args = DRIVERS, sample_count = 1000)]
fn whole_hit_by_component(bencher: Bencher, driver: &'static str) {
    let place = Place::new(driver);
    let cache = place.cache();
    let mut n = 0;
    bencher.bench_local(|| {
        n += 1;
        read(&cache, n);
    });
}

/// From the name to a driver that is configured, over books that are there; compiled before.
#[divan::bench(args = DRIVERS, sample_count = 50, sample_size = 1)]
fn load_from_warm_compile_cache(bencher: Bencher, driver: &'static str) {
    let place = Place::new(driver);
    bencher.bench_local(|| place.component());
}

/// The same where it has to be compiled first.
#[divan::bench(args = DRIVERS, sample_count = 20, sample_size = 1)]
fn load_from_cold_compile_cache(bencher: Bencher, driver: &'static str) {
    let place = Place::new(driver);
    let compiled = PathBuf::from(std::env::var_os(COMPILE_CACHE).expect("it was set"));
    bencher
        .with_inputs(|| {
            let compiled = compiled.join("compiled");
            let _ = fs::remove_dir_all(compiled);
        })
        .bench_local_values(|()| place.component());
}
