//! The reference policies of the simulator, and drivers of the same policies, compared with libCacheSim
//! (<https://github.com/1a1a11a/libCacheSim>, from PyPI): the same requests and bytes, within a tenth of a point.
//!
//! It takes a minute and needs Python: it runs only if `IMAGE_CACHE_TEST_FULL=1` is set.

use super::simulated::component;
use image_cache_simulate::{Outcome, Reference, Trace, TraceOptions, simulate};
use image_cache_tests::{Tested, glance, is_full_run, skip};
use serde_json::Value;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

const LIBCACHESIM: &str = "libcachesim==0.3.5";

/// The most that two hit ratios may differ, in points.
const MOST: f64 = 0.1;

/// A trace from a seed: popular images, of which others become popular, and images that are requested once.
fn csv(seed: u64, once_in: u64, drift: u64) -> Tested<String> {
    const IMAGES: u64 = 4000;
    let mut state = seed;
    let mut random = |below: u64| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) % below
    };
    let sizes: Vec<u64> = (0..IMAGES).map(|_| 1_000_000 + random(40_000_000)).collect();
    let mut csv = String::from("time,id,size\n");
    for at in 0..20_000 {
        let popular = random(IMAGES) * random(IMAGES) / IMAGES * random(IMAGES) / IMAGES;
        let (image, size) = match random(once_in) {
            0 => (IMAGES + at, 1_000_000 + random(40_000_000)),
            _ => {
                let image = (popular + at / 1000 * drift) % IMAGES;
                (image, sizes[image as usize])
            }
        };
        writeln!(csv, "{at},image-{image},{size}")?;
    }
    Ok(csv)
}

/// What libCacheSim finds; `None`, with a message, if it cannot be installed.
fn libcachesim(csv: &Path, sizes: &[u64]) -> Tested<Option<Value>> {
    let home = match glance::installed_with(&[LIBCACHESIM]) {
        Ok(home) => home,
        Err(error) => {
            skip(&format!("nothing is compared with libCacheSim: {error}"));
            return Ok(None);
        }
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/libcachesim/replay.py");
    let mut python = Command::new(home.join("bin/python"));
    python.arg(script).arg(csv).args(sizes.iter().map(u64::to_string));
    let output = python.output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(Some(serde_json::from_slice(&output.stdout)?))
}

/// The differences in requests and in bytes, in points.
fn points(theirs: &Value, ours: &Outcome) -> Tested<[f64; 2]> {
    let number = |name: &str| theirs[name].as_f64().ok_or(format!("no {name}"));
    let part = |ours: u64, theirs: f64, all: u64| (ours as f64 - theirs) / all as f64 * 100.0;
    Ok([
        part(ours.hits, number("hits")?, ours.requests),
        part(ours.hit_bytes, number("hit_bytes")?, ours.bytes),
    ])
}

#[test]
fn references_and_drivers_have_the_hits_of_libcachesim() -> Tested {
    if !is_full_run("nothing is compared with libCacheSim") {
        return Ok(());
    }
    let sizes = [4u64, 8, 16, 32].map(|gigabytes| gigabytes * 1_000_000_000);
    let mut wrong = String::new();
    for (seed, once_in, drift) in [(1, 10, 0), (2, 4, 20)] {
        let place = TempDir::new()?;
        let path = place.path().join("trace.csv");
        fs::write(&path, csv(seed, once_in, drift)?)?;
        let Some(found) = libcachesim(&path, &sizes)? else { return Ok(()) };
        let trace = Trace::read(&*fs::read(&path)?, &TraceOptions::default())?;
        for theirs in found.as_array().ok_or("a list")? {
            let policy = theirs["policy"].as_str().ok_or("a policy")?;
            let size = theirs["size"].as_u64().ok_or("a size")?;
            let mut reference = policy.parse::<Reference>()?.policy(&trace, size);
            let mut ours = vec![("reference", simulate(&trace, &mut *reference, size)?)];
            match policy {
                "lru" => ours.push(("sqlite", component("sqlite", None, &trace, size)?)),
                "gdsf" | "s3-fifo" | "sieve" => {
                    ours.push(("driver", component(policy, None, &trace, size)?));
                }
                _ => {}
            }
            for (which, outcome) in ours {
                let [requests, bytes] = points(theirs, &outcome)?;
                let line = format!(
                    "seed {seed}, {size} bytes, {policy}, {which}: {:.2} % of requests; {requests:+.3} and {bytes:+.3} points",
                    outcome.hit_ratio() * 100.0
                );
                println!("{line}");
                if requests.abs() > MOST || bytes.abs() > MOST {
                    writeln!(wrong, "{line}")?;
                }
            }
        }
    }
    assert!(wrong.is_empty(), "these differ by more than {MOST} points:\n{wrong}");
    Ok(())
}
