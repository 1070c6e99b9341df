//! Many small images: cached one after the other, and added to the queue.

use image_cache::{Durability, Expected, ImageCache, Outcome};
use image_cache_tests::Tested;
use image_cache_tests::measure::files::{KIB, config, name, open};
use image_cache_tests::measure::{
    Bench, GLANCE_DRIVERS, Glance, Row, Side, drivers_like, in_turns,
};
use std::cell::Cell;
use std::path::Path;
use std::time::Instant;

/// Ten turns; the first one only fills the caches.
const TURNS: usize = 9;

/// Images in one of our turns, and in a turn of a slow peer.
const IMAGES: usize = 1000;
const FEW: usize = 200;

pub fn cache(bench: &Bench) -> Tested<Vec<Row>> {
    let (scratch, images) = (bench.scratch()?, bench.size(IMAGES));
    let mut rows = Vec::new();
    for driver in ["sqlite", "xattr"] {
        let ours = open(config(&scratch.path().join(driver), driver))?;
        let unflushed = config(&scratch.path().join(format!("{driver}-unflushed")), driver);
        let unflushed = open(unflushed.durability(Durability::RenameOnly))?;
        let mut sides = vec![
            Side::new("ours", caching(&ours, images)),
            Side::new("ours, image_cache_durability = rename-only", caching(&unflushed, images)),
        ];
        for driver in drivers_like(driver) {
            let found = Glance::start(&scratch.path().join(format!("glance-{driver}")), driver);
            sides.push(glance(driver, found, format!("cache {FEW}")));
        }
        let scores = in_turns(bench.rounds(TURNS), sides)?;
        let what = format!("each of 10,000 images of 1 KiB, MD5 expected, {driver}");
        let note = format!("Glance syncs no image, and caches {FEW} per turn, 2,000 in total");
        rows.push(Row::new("cache", &what, "µs", &scores, 0).note(&note));
    }
    Ok(rows)
}

fn caching(cache: &ImageCache, images: usize) -> impl FnMut() -> Tested<Vec<f64>> {
    let next = Cell::new(0);
    let md5 = image_cache_tests::md5_hex(&KIB);
    move || {
        let (expected, started) = (Expected::nothing().with_md5(&md5)?, Instant::now());
        for n in next.get()..next.get() + images {
            match cache.cache_image(&name(n), &KIB[..], expected.clone())? {
                Outcome::Cached(_) => {}
                other => return Err(format!("an image was not cached: {other:?}").into()),
            }
        }
        next.set(next.get() + images);
        Ok(vec![started.elapsed().as_secs_f64() * 1e6 / images as f64])
    }
}

fn glance<'a>(driver: &str, found: Tested<Glance>, command: String) -> Side<'a> {
    Side::of(format!("Glance 33, {driver}"), found, move |glance| {
        Ok(vec![glance.ask(&command)?.micros_each()])
    })
}

pub fn queue(bench: &Bench) -> Tested<Vec<Row>> {
    let (scratch, images) = (bench.scratch()?, bench.size(IMAGES));
    let ours = open(config(&scratch.path().join("ours"), "sqlite"))?;
    let queued = Cell::new(0);
    let mut sides = vec![Side::new("ours", || {
        let started = Instant::now();
        for n in queued.get()..queued.get() + images {
            if !ours.queue_image(&name(n))? {
                return Err("an image was not queued".into());
            }
        }
        queued.set(queued.get() + images);
        Ok(vec![started.elapsed().as_secs_f64() * 1e6 / images as f64])
    })];
    for driver in GLANCE_DRIVERS {
        let found = Glance::start(&scratch.path().join(driver), driver);
        sides.push(glance(driver, found, format!("queue {images}")));
    }
    let scores = in_turns(bench.rounds(TURNS), sides)?;
    let row = Row::new("queue", "each of 10,000 images", "µs", &scores, 0);
    Ok(vec![row, queued_list(bench, scratch.path(), &ours)?])
}

/// The whole queue, in order.
fn queued_list(bench: &Bench, scratch: &Path, ours: &ImageCache) -> Tested<Row> {
    let all = ours.queued_images()?.len();
    let mut sides = vec![Side::new("ours", || {
        let started = Instant::now();
        std::hint::black_box(ours.queued_images()?);
        Ok(vec![started.elapsed().as_secs_f64() * 1e3])
    })];
    for driver in GLANCE_DRIVERS {
        let found = Glance::start(&scratch.join(driver), driver);
        sides.push(Side::of(format!("Glance 33, {driver}"), found, |glance| {
            Ok(vec![glance.ask("queued")?.millis()])
        }));
    }
    let scores = in_turns(bench.rounds(7), sides)?;
    Ok(Row::new("queue", &format!("all {all} queued images, in order"), "ms", &scores, 0))
}
