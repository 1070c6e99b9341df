//! A cached image of 1 GiB in the page cache: a read that verifies every block, compared with a plain file.

use image_cache::{Expected, ImageCache};
use image_cache_tests::Tested;
use image_cache_tests::measure::files::{Large, config, open};
use image_cache_tests::measure::{Asked, Bench, GLANCE_DRIVERS, Glance, Row, Side, in_turns};
use std::fs::File;
use std::io::Read;
use std::time::Instant;

/// Bytes in one read.
const BUFFER: usize = 1 << 20;

const UNVERIFIED: &str = "ours, image_cache_verify_reads = false";

pub fn read(bench: &Bench) -> Tested<Vec<Row>> {
    let (scratch, image) = (bench.scratch()?, Large::of(bench.size(1 << 30)));
    let size = image.size();
    let cache = |name: &str, verify: bool| -> Tested<ImageCache> {
        let directory = scratch.path().join(name);
        let cache = open(config(&directory, "sqlite").verify_reads(verify))?;
        cache.cache_image("large", image.source(BUFFER), Expected::nothing())?;
        Ok(cache)
    };
    let plain = scratch.path().join("plain");
    std::io::copy(&mut image.source(BUFFER), &mut File::create(&plain)?)?;
    let rate = move |source: &mut dyn Read| -> Tested<Vec<f64>> {
        let (started, mut buffer, mut count) = (Instant::now(), vec![0; BUFFER], 0);
        loop {
            match source.read(&mut buffer)? {
                0 if count == size => break,
                0 => return Err(format!("{count} bytes came of {size}").into()),
                more => count += more,
            }
        }
        Ok(vec![size as f64 / started.elapsed().as_secs_f64() / 1e6])
    };
    let (verified, unverified) = (cache("ours", true)?, cache("unverified", false)?);
    let mut sides = vec![
        Side::new("ours", || rate(&mut verified.open_for_read("large")?.ok_or("it is cached")?)),
        Side::new(UNVERIFIED, || {
            rate(&mut unverified.open_for_read("large")?.ok_or("it is cached")?)
        }),
        Side::new("plain file", || rate(&mut File::open(&plain)?)),
    ];
    for driver in GLANCE_DRIVERS {
        let found = Glance::start(&scratch.path().join(driver), driver).and_then(|mut glance| {
            glance.ask(&format!("stay {size} {BUFFER}"))?;
            Ok(glance)
        });
        sides.push(Side::of(format!("Glance 33, {driver}"), found, |glance| {
            Ok(vec![glance.ask(&format!("read {BUFFER}"))?.mb_per_second()])
        }));
    }
    let scores = in_turns(bench.rounds(7), sides)?;
    let row =
        Row::new("warm read", "1 GiB in reads of 1 MiB, each block verified", "MB/s", &scores, 0);
    let median = |nth: usize| scores[nth].figure(0).map_or(f64::NAN, |figure| figure.median);
    let share = "share of ours without verification";
    let row = row.asking(Asked::AtLeast(0.75), median(0) / median(1), share);
    Ok(vec![row.note("only ours verifies")])
}
