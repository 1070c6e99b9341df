//! Pruning half of the images.

use image_cache_tests::Tested;
use image_cache_tests::measure::files::{KIB, config, fill, name, open, sync_all};
use image_cache_tests::measure::{Asked, Bench, Glance, Row, Score, Side, drivers_like, in_turns};
use std::fs;
use std::path::Path;
use std::time::Instant;

const COUNTS: [usize; 3] = [2_000, 20_000, 100_000];

/// Each round fills a cache before it evicts half of it.
const ROUNDS: usize = 3;

/// The number of images up to which a peer with quadratic time is measured, and up to which it is measured with `--long`.
const BEARABLE: usize = 2_000;
const LONG: usize = 20_000;

pub fn sqlite(bench: &Bench) -> Tested<Vec<Row>> {
    rows(bench, "sqlite")
}

pub fn xattr(bench: &Bench) -> Tested<Vec<Row>> {
    rows(bench, "xattr")
}

fn rows(bench: &Bench, driver: &str) -> Tested<Vec<Row>> {
    let (mut rows, mut first) = (vec![adopted(bench, driver)?], None);
    for images in COUNTS {
        let scores = scores(bench, driver, images)?;
        let each = scores[0].figure(0).map_or(f64::NAN, |figure| figure.median);
        let what = format!("half of {images} images, each with its digests, {driver}, each");
        let row = Row::new("prune", &what, "µs", &scores, 0);
        rows.push(match (images, first) {
            (BEARABLE, _) => row.at_most(40.0),
            (100_000, Some(first)) => {
                row.asking(Asked::AtMost(1.3), each / first, "times one of 2,000")
            }
            _ => row,
        });
        first.get_or_insert(each);
    }
    Ok(rows)
}

/// Images that another program cached, with one file each, like those of the peers.
fn adopted(bench: &Bench, driver: &str) -> Tested<Row> {
    let (scratch, count) = (bench.scratch()?, bench.size(BEARABLE));
    let (directory, plain) = (scratch.path().join("ours"), scratch.path().join("plain"));
    let ours = || {
        write(&directory, count)?;
        evict(&directory, driver, count)
    };
    let mut sides = vec![
        Side::new("ours", ours),
        Side::new("plain unlink", || Ok(vec![unlink(&plain, count / 2)?])),
    ];
    for driver in drivers_like(driver) {
        let (name, directory) = (format!("Glance 33, {driver}"), scratch.path().join(driver));
        sides.push(glance(&directory, name, driver, count));
    }
    let scores = in_turns(bench.rounds(ROUNDS), sides)?;
    let what = format!("half of {BEARABLE} images that another program cached, {driver}, each");
    Ok(Row::new("prune", &what, "µs", &scores, 0).at_most(40.0))
}

fn scores(bench: &Bench, driver: &str, images: usize) -> Tested<Vec<Score>> {
    let (scratch, count) = (bench.scratch()?, bench.size(images));
    let directory = scratch.path().join("ours");
    let plain = scratch.path().join("plain");
    let mut sides = vec![
        Side::new("ours", || {
            fill(&directory, driver, count)?;
            evict(&directory, driver, count)
        }),
        Side::new(plain_name(images), || Ok(vec![2.0 * unlink(&plain, count.min(LONG))?])),
    ];
    for driver in drivers_like(driver) {
        let name = format!("Glance 33, {driver}");
        sides.push(if images <= BEARABLE || (bench.long && images <= LONG) {
            glance(&scratch.path().join(format!("glance-{driver}")), name, driver, count)
        } else if images <= LONG {
            Side::missing(name, "takes many minutes: its time grows quadratically; use --long")
        } else {
            Side::missing(name, "takes hours: its time grows quadratically")
        });
    }
    in_turns(bench.rounds(ROUNDS), sides)
}

/// The peer of our figure, and the number of its files if there are fewer.
fn plain_name(images: usize) -> String {
    let of = if images > LONG { format!(", of {LONG}") } else { String::new() };
    format!("plain unlink of two files{of}")
}

fn evict(directory: &Path, driver: &str, images: usize) -> Tested<Vec<f64>> {
    let half = images as u64 / 2;
    let cache = open(config(directory, driver).max_size(half * 1024))?;
    let started = Instant::now();
    let pruned = cache.prune()?;
    let took = started.elapsed().as_secs_f64();
    match pruned.images {
        all if all == images as u64 - half => Ok(vec![took * 1e6 / all as f64]),
        other => Err(format!("{other} of {images} images were evicted").into()),
    }
}

/// The time of the file system for one file, one after the other, in µs.
fn unlink(directory: &Path, files: usize) -> Tested<f64> {
    write(directory, files)?;
    let started = Instant::now();
    (0..files).try_for_each(|n| fs::remove_file(directory.join(name(n))))?;
    Ok(started.elapsed().as_secs_f64() * 1e6 / files as f64)
}

/// The number of missing files out of this many.
fn write(directory: &Path, files: usize) -> Tested {
    fs::create_dir_all(directory)?;
    let mut missing = (0..files).map(|n| directory.join(name(n))).filter(|path| !path.exists());
    missing.try_for_each(|path| fs::write(path, KIB))?;
    sync_all(directory)
}

fn glance<'a>(directory: &Path, name: String, driver: &str, images: usize) -> Side<'a> {
    let directory = directory.to_owned();
    Side::of(name, Glance::start(&directory, driver), move |glance| {
        glance.ask(&format!("records {images}"))?;
        sync_all(&directory)?;
        let told = glance.ask(&format!("prune {}", images / 2))?;
        Ok(vec![told.micros_each()])
    })
}
