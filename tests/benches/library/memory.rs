//! The peak of resident memory of a process that does one operation, with default options; each is measured once, because it
//! hardly varies.

use super::hit;
use image_cache::Expected;
use image_cache_tests::Tested;
use image_cache_tests::measure::files::{self, KIB, Large, config, fill, name};
use image_cache_tests::measure::{
    Bench, Figure, GLANCE_DRIVERS, Glance, Peer, Row, Side, WorkerProcess, in_turns,
};
use std::path::Path;

const CHUNK: usize = 64 << 10;
const HITS: usize = 1000;
const SMALL: usize = 1000;
const QUEUED: usize = 10_000;
const LISTED: usize = 100_000;
const PRUNED: usize = 2_000;

/// A measurement: its name, our work, the command for Glance, and the number of images that exist before.
struct Case {
    what: String,
    work: &'static str,
    command: String,
    images: usize,
    /// Bytes of a large image.
    large: usize,
    limit: Option<f64>,
}

fn case(what: &str, work: &'static str, command: String, images: usize) -> Case {
    Case { what: what.to_owned(), work, command, images, large: 0, limit: None }
}

pub fn rows(bench: &Bench) -> Tested<Vec<Row>> {
    let (long, gib) = (bench.size(10 << 30), bench.size(1 << 30));
    let (listed, pruned) = (bench.size(LISTED), bench.size(PRUNED));
    let tee = |size: usize| format!("tee {size} {CHUNK}");
    let cases = [
        case("only opening a cache of 1,000 images", "memory_open", "size".into(), 1000),
        Case { large: gib, ..case("tee of 1 GiB", "memory_tee", tee(gib), 0) },
        Case {
            large: long,
            limit: Some(32.0),
            ..case("one stream of 10 GiB", "memory_tee", tee(long), 0)
        },
        Case { large: gib, ..case("warm read of 1 GiB", "memory_read", "read 1048576".into(), 0) },
        case(&format!("only opening a cache of {listed}"), "memory_open", "size".into(), listed),
        case("caching 1,000 images of 1 KiB", "memory_cache", format!("cache {SMALL}"), 0),
        case("queueing 10,000 images", "memory_queue", format!("queue {QUEUED}"), 0),
        case("1,000 hits", "memory_hits", format!("hits {HITS}"), 1000),
        case(&format!("list of {listed} images"), "memory_list", "list".into(), listed),
        case(
            &format!("prune of half of {pruned} images"),
            "memory_prune",
            format!("prune {}", pruned / 2),
            pruned,
        ),
    ];
    let (mut rows, large) = (Vec::new(), bench.scratch()?);
    for case in cases {
        for driver in ["sqlite", "xattr"] {
            // The records do not affect these.
            if case.large > 0 && driver != "sqlite" {
                continue;
            }
            // Creating a hundred thousand images takes minutes, and these drivers do not change the result.
            rows.push(if case.images == listed {
                row(&large.path().join(driver), &case, driver)?
            } else {
                row(bench.scratch()?.path(), &case, driver)?
            });
        }
    }
    Ok(rows)
}

fn row(scratch: &Path, case: &Case, driver: &str) -> Tested<Row> {
    let ours = scratch.join("ours");
    prepare(&ours, case, driver)?;
    let arguments = [ours.to_str().ok_or("a plain path")?, driver, &case.large.to_string()];
    let peak = in_turns(
        1,
        vec![Side::new("ours", || {
            Ok(vec![WorkerProcess::peak(case.work, &arguments)? as f64 / f64::from(1 << 20)])
        })],
    )?;
    let peers = GLANCE_DRIVERS.iter().filter(|peer| **peer == driver);
    let peers = peers.map(|driver| peer(&scratch.join("glance"), case, driver));
    let what = format!("{}, {driver}", case.what);
    let row = Row::new("memory", &what, "MiB", &peak, 0).beside(peers.collect::<Vec<_>>());
    Ok(case.limit.map_or(row.clone(), |limit| row.at_most(limit)))
}

fn prepare(directory: &Path, case: &Case, driver: &str) -> Tested {
    match case.work {
        "memory_read" => {
            let cache = files::open(config(directory, driver))?;
            let image = Large::of(case.large);
            cache.cache_image("large", image.source(1 << 20), Expected::nothing())?;
            Ok(())
        }
        "memory_hits" => hit::cache_of(directory, driver, std::time::Duration::ZERO).map(drop),
        _ => fill(directory, driver, case.images),
    }
}

/// One process creates the images, another one does the work.
fn peer(directory: &Path, case: &Case, driver: &str) -> Peer {
    let measured = || -> Tested<f64> {
        let mut before = Glance::start(directory, driver)?;
        before.ask(&format!("records {}", case.images))?;
        if case.work == "memory_read" {
            before.ask(&format!("stay {} 1048576", case.large))?;
        }
        drop(before);
        let told = Glance::start(directory, driver)?.ask(&case.command)?;
        Ok(told.peak as f64 / f64::from(1 << 20))
    };
    let figure = measured().map_err(|error| error.to_string());
    let figure = figure.map(|peak| Figure { median: peak, low: peak, high: peak });
    Peer { name: format!("Glance 33, {driver}"), figure }
}

/// The directory, the driver, and the bytes of a large image.
fn parts(arguments: &[String]) -> Tested<(&Path, &str, usize)> {
    let [directory, driver, large] = arguments else { return Err("DIR DRIVER BYTES".into()) };
    Ok((Path::new(directory), driver, large.parse()?))
}

pub fn open(arguments: &[String]) -> Tested {
    let (directory, driver, _) = parts(arguments)?;
    files::open(config(directory, driver)).map(drop)
}

pub fn tee(arguments: &[String]) -> Tested {
    let (directory, driver, size) = parts(arguments)?;
    let (cache, image) = (files::open(config(directory, driver))?, Large::of(size));
    let mut reader = cache.caching_reader("large", image.source(CHUNK), Expected::nothing())?;
    std::io::copy(&mut reader, &mut std::io::sink())?;
    if cache.is_cached("large")? { Ok(()) } else { Err("the image was not cached".into()) }
}

pub fn read(arguments: &[String]) -> Tested {
    let (directory, driver, _) = parts(arguments)?;
    let cache = files::open(config(directory, driver))?;
    let mut reader = cache.open_for_read("large")?.ok_or("the image is not cached")?;
    std::io::copy(&mut reader, &mut std::io::sink())?;
    Ok(())
}

pub fn cache(arguments: &[String]) -> Tested {
    let (directory, driver, _) = parts(arguments)?;
    let cache = files::open(config(directory, driver))?;
    for n in 0..SMALL {
        cache.cache_image(&name(n), &KIB[..], Expected::nothing())?;
    }
    Ok(())
}

pub fn queue(arguments: &[String]) -> Tested {
    let (directory, driver, _) = parts(arguments)?;
    let cache = files::open(config(directory, driver))?;
    for n in 0..QUEUED {
        cache.queue_image(&name(n))?;
    }
    Ok(())
}

pub fn hits(arguments: &[String]) -> Tested {
    let (directory, driver, _) = parts(arguments)?;
    let cache = files::open(config(directory, driver))?;
    (0..HITS).try_for_each(|n| hit::hit(&cache, n))
}

pub fn list(arguments: &[String]) -> Tested {
    let (directory, driver, _) = parts(arguments)?;
    let cache = files::open(config(directory, driver))?;
    std::hint::black_box(cache.cached_images()?);
    Ok(())
}

pub fn prune(arguments: &[String]) -> Tested {
    let (directory, driver, _) = parts(arguments)?;
    let bytes = files::open(config(directory, driver))?.cache_size()?.bytes;
    let cache = files::open(config(directory, driver).max_size(bytes / 2))?;
    cache.prune()?;
    Ok(())
}
