//! Opening a cache of 100,000 images: after it was closed, and after a process that had it open was killed with unwritten hits.

use super::hit::glance_of;
use image_cache_tests::Tested;
use image_cache_tests::measure::files::{config, fill, name, open};
use image_cache_tests::measure::{Bench, Glance, Row, Side, WorkerProcess, drivers_like, in_turns};
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

/// Hits that are not written when the process is killed.
const HITS: usize = 100;

pub fn sqlite(bench: &Bench) -> Tested<Vec<Row>> {
    rows(bench, "sqlite")
}

pub fn xattr(bench: &Bench) -> Tested<Vec<Row>> {
    rows(bench, "xattr")
}

fn rows(bench: &Bench, driver: &str) -> Tested<Vec<Row>> {
    let (scratch, images) = (bench.scratch()?, bench.size(100_000));
    let directory = &scratch.path().join("ours");
    fill(directory, driver, images)?;
    let mut sides = vec![
        Side::new("ours", || timed(directory, driver, images)),
        Side::new("readdir and stat of each file", || look(directory, images)),
    ];
    for driver in drivers_like(driver) {
        let directory = scratch.path().join(format!("glance-{driver}"));
        let found = glance_of(&directory, driver, images).map(drop);
        sides.push(Side::of(format!("Glance 33, {driver}"), found, move |()| {
            Ok(vec![Glance::start(&directory, driver)?.opened.millis()])
        }));
    }
    let scores = in_turns(bench.rounds(5), sides)?;
    let what = |how: &str| format!("a cache of {images} images, {driver}, {how}");
    let clean = Row::new("open", &what("after it was closed"), "ms", &scores, 0);
    let killed = in_turns(
        bench.rounds(5),
        vec![Side::new("ours", || {
            kill(directory, driver)?;
            timed(directory, driver, images)
        })],
    )?;
    let killed = Row::new("open", &what("after a kill -9 with unwritten hits"), "ms", &killed, 0);
    let killed = killed.beside(scores.iter().skip(1).map(|score| score.peer(0)));
    let note = "Glance does not reconcile: lost records stay lost";
    Ok(vec![clean.at_most(300.0).note(note), killed.at_most(300.0).note(note)])
}

fn timed(directory: &Path, driver: &str, images: usize) -> Tested<Vec<f64>> {
    let config = config(directory, driver);
    let started = Instant::now();
    let cache = open(config)?;
    let took = started.elapsed().as_secs_f64() * 1e3;
    match cache.cache_size()?.images {
        all if all == images as u64 => Ok(vec![took]),
        other => Err(format!("{other} of {images} images are cached").into()),
    }
}

/// The minimum time to examine every file.
fn look(directory: &Path, images: usize) -> Tested<Vec<f64>> {
    let (started, mut count) = (Instant::now(), 0);
    for entry in directory.read_dir()? {
        count += usize::from(entry?.metadata()?.is_file());
    }
    let took = started.elapsed().as_secs_f64() * 1e3;
    if count < images { Err("images are missing".into()) } else { Ok(vec![took]) }
}

fn kill(directory: &Path, driver: &str) -> Tested {
    let mut worker =
        WorkerProcess::start("pending", &[directory.to_str().ok_or("a plain path")?, driver])?;
    worker.line()?;
    worker.kill()
}

/// Runs in a separate process: makes hits without writing them, and waits until it is killed.
pub fn pending(arguments: &[String]) -> Tested {
    let [directory, driver] = arguments else { return Err("DIR DRIVER".into()) };
    let delayed = config(Path::new(directory), driver).hit_delay(Duration::from_secs(3600));
    let cache = open(delayed)?;
    for n in 0..HITS {
        let mut reader = cache.open_for_read(&name(n))?.ok_or("an image is not cached")?;
        reader.read_to_end(&mut Vec::new())?;
    }
    println!("hits are pending");
    std::io::stdin().read_line(&mut String::new())?;
    Ok(())
}
