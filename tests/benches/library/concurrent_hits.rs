//! Eight processes that hit one directory at the same time.

use super::hit;
use image_cache_tests::Tested;
use image_cache_tests::measure::files::{config, open};
use image_cache_tests::measure::{Bench, Glance, Row, Side, WorkerProcess, drivers_like, in_turns};
use std::path::Path;
use std::time::{Duration, Instant};

const PROCESSES: usize = 8;
const SECONDS: u64 = 2;

/// Hits between two checks of the clock.
const HITS: usize = 50;

pub fn sqlite(bench: &Bench) -> Tested<Vec<Row>> {
    row(bench, "sqlite")
}

pub fn xattr(bench: &Bench) -> Tested<Vec<Row>> {
    row(bench, "xattr")
}

fn row(bench: &Bench, driver: &str) -> Tested<Vec<Row>> {
    let scratch = bench.scratch()?;
    let ours = scratch.path().join("ours");
    drop(hit::cache_of(&ours, driver, Duration::ZERO)?);
    let ours = ours.to_str().ok_or("a plain path")?;
    let mut sides = vec![Side::new("ours", || together(ours, driver))];
    for driver in drivers_like(driver) {
        let directory = scratch.path().join(format!("glance-{driver}"));
        let found = hit::glance_of(&directory, driver, 1000).and_then(|one| {
            drop(one);
            (0..PROCESSES).map(|_| glance(&directory, driver)).collect::<Tested<Vec<_>>>()
        });
        sides.push(Side::of(format!("Glance 33, {driver}"), found, |all| {
            all.iter_mut().try_for_each(|glance| glance.tell(&format!("hits-for {SECONDS}")))?;
            // The results of all are read, even if one fails.
            let told: Vec<_> = all.iter_mut().map(Glance::answer).collect();
            let told: Vec<_> = told.into_iter().collect::<Tested<_>>()?;
            Ok(vec![told.iter().map(|told| told.count as f64 / told.seconds).sum()])
        }));
    }
    let scores = in_turns(bench.rounds(3), sides)?;
    let what =
        format!("{PROCESSES} processes hit 1,000 images of 1 KiB, {driver}, written at once");
    let row = Row::new("hit", &what, "hits/s", &scores, 0);
    Ok(vec![row.note("ours counts each hit; Glance with xattr loses some hits and fails others")])
}

fn glance(directory: &Path, driver: &str) -> Tested<Glance> {
    Glance::start(directory, driver)
}

fn together(directory: &str, driver: &str) -> Tested<Vec<f64>> {
    let start = |_| WorkerProcess::start("hits", &[directory, driver]);
    let mut all: Vec<WorkerProcess> = (0..PROCESSES).map(start).collect::<Tested<_>>()?;
    all.iter_mut().try_for_each(|worker| worker.line().map(drop))?;
    all.iter_mut().try_for_each(WorkerProcess::go_on)?;
    let mut sum = 0.0;
    for worker in &mut all {
        sum += worker.line()?.parse::<f64>()?;
    }
    Ok(vec![sum])
}

/// Runs in a separate process: waits until all processes are ready, and then hits; prints the number of hits per second.
pub fn hits(arguments: &[String]) -> Tested {
    let [directory, driver] = arguments else { return Err("DIR DRIVER".into()) };
    let cache = open(config(Path::new(directory), driver))?;
    println!("ready");
    std::io::stdin().read_line(&mut String::new())?;
    let (started, mut count) = (Instant::now(), 0);
    while started.elapsed() < Duration::from_secs(SECONDS) {
        (0..HITS).try_for_each(|n| hit::hit(&cache, count + n))?;
        count += HITS;
    }
    println!("{}", count as f64 / started.elapsed().as_secs_f64());
    Ok(())
}
