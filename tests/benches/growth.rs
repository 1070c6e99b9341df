//! The cost of an operation as the cache grows: hit, list, evict and open, from 1,000 to 1,000,000 images, with each built-in
//! driver.
//!
//! Prints a table with the growth from each size to the next, and draws a plot: to `docs/growth.svg` if `IMAGE_CACHE_BENCH_SAVE`
//! is set, otherwise to `target/tmp/growth.svg`. `--quick` ends at 10,000 images; `IMAGE_CACHE_GROWTH_SIZES=1000,10000` sets the
//! sizes.

mod plot;
mod point;
mod prefilled;
mod work;

use image_cache_tests::Tested;
use image_cache_tests::measure::{Bench, Measure, Row};
use plot::Plot;
use point::Point;
use prefilled::PrefilledCache;
use std::path::{Path, PathBuf};

const SIZES: [usize; 4] = [1000, 10_000, 100_000, 1_000_000];
const DRIVERS: [&str; 2] = ["sqlite", "xattr"];

pub const MEASURES: [Measure; 1] = [("growth", growth)];

fn growth(bench: &Bench) -> Tested<Vec<Row>> {
    let mut points: Vec<Point> = Vec::new();
    for driver in DRIVERS {
        for images in sizes(bench)? {
            let scratch = bench.scratch()?;
            let prefilled = PrefilledCache::new(scratch.path(), driver, images)?;
            points.extend(work::all(&prefilled, bench)?);
            println!("  {driver}, {images} images");
        }
    }
    println!("\n{}", point::table(&points));
    let file = drawing();
    Plot::of(&points).draw(&file)?;
    println!("drawn: {}", file.display());
    Ok(point::rows(&points))
}

fn sizes(bench: &Bench) -> Tested<Vec<usize>> {
    if let Ok(named) = std::env::var("IMAGE_CACHE_GROWTH_SIZES") {
        let sizes: Result<Vec<usize>, _> =
            named.split(',').map(|size| size.trim().parse()).collect();
        return sizes.map_err(|e| format!("IMAGE_CACHE_GROWTH_SIZES={named}: {e}").into());
    }
    let most = bench.size(SIZES[SIZES.len() - 1]);
    Ok(SIZES.into_iter().filter(|size| *size <= most).collect())
}

fn drawing() -> PathBuf {
    match std::env::var_os("IMAGE_CACHE_BENCH_SAVE") {
        Some(_) => Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/growth.svg"),
        None => Path::new(env!("CARGO_TARGET_TMPDIR")).join("growth.svg"),
    }
}
