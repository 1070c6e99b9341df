//! Queries on the whole cache: the list of its images, its size, its status.

use super::hit::glance_of;
use image_cache::ImageCache;
use image_cache_tests::Tested;
use image_cache_tests::measure::files::{config, fill, open};
use image_cache_tests::measure::{Bench, Row, Side, drivers_like, in_turns};
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

const COUNTS: [usize; 3] = [1_000, 10_000, 100_000];

pub fn sqlite(bench: &Bench) -> Tested<Vec<Row>> {
    rows(bench, "sqlite")
}

pub fn xattr(bench: &Bench) -> Tested<Vec<Row>> {
    rows(bench, "xattr")
}

fn rows(bench: &Bench, driver: &str) -> Tested<Vec<Row>> {
    let mut rows = Vec::new();
    for images in COUNTS {
        rows.extend(rows_of(bench, driver, bench.size(images))?);
    }
    Ok(rows)
}

fn rows_of(bench: &Bench, driver: &str, images: usize) -> Tested<Vec<Row>> {
    let scratch = bench.scratch()?;
    fill(&scratch.path().join("ours"), driver, images)?;
    let cache = open(config(&scratch.path().join("ours"), driver))?;
    let mut sides = vec![Side::new("ours", || asked(&cache, images))];
    for driver in drivers_like(driver) {
        sides.push(glance(&scratch.path().join(format!("glance-{driver}")), driver, images));
    }
    let scores = in_turns(bench.rounds(7), sides)?;
    let row = |nth: usize, group: &str, what: &str| {
        Row::new(group, &format!("{what} {images} images, {driver}"), "ms", &scores, nth)
    };
    let list = row(0, "list", "all records of");
    let list = if images >= 100_000 { list.at_most(150.0) } else { list };
    let status =
        row(2, "status", "of").note("Glance has no status: its list, size and queue together");
    Ok(vec![list, row(1, "size", "of"), status])
}

fn millis(work: impl FnOnce() -> Tested) -> Tested<f64> {
    let started = Instant::now();
    work()?;
    Ok(started.elapsed().as_secs_f64() * 1e3)
}

fn asked(cache: &ImageCache, images: usize) -> Tested<Vec<f64>> {
    let list = millis(|| match cache.cached_images()? {
        all if all.len() == images => Ok(()),
        other => Err(format!("{} are listed of {images}", other.len()).into()),
    })?;
    let size = millis(|| {
        black_box(cache.cache_size()?);
        Ok(())
    })?;
    let status = millis(|| {
        black_box(cache.status()?);
        Ok(())
    })?;
    Ok(vec![list, size, status])
}

fn glance<'a>(directory: &Path, driver: &str, images: usize) -> Side<'a> {
    let name = format!("Glance 33, {driver}");
    Side::of(name, glance_of(directory, driver, images), move |glance| {
        let list = glance.ask("list")?;
        // Glance also counts its own files as images.
        if list.count < images as u64 {
            return Err(format!("{} are listed of {images}", list.count).into());
        }
        Ok(vec![list.millis(), glance.ask("size")?.millis(), glance.ask("status")?.millis()])
    })
}
