//! `driver simulate`: the time to replay a million requests through each built-in driver, and through the reference policies.

use image_cache_tests::Tested;
use image_cache_tests::measure::{self, Bench, Figure, Measure, Row};
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

const REQUESTS: usize = 1_000_000;

const DRIVERS: [&str; 4] = ["sqlite", "gdsf", "s3-fifo", "sieve"];

/// The reference policies of `--references all`.
const REFERENCES: f64 = 8.0;

/// Two thirds of the requests of the trace are hits with it.
const SIZE: &str = "980GiB";

pub const MEASURES: [Measure; 1] = [("simulate_million", million)];

fn million(bench: &Bench) -> Tested<Vec<Row>> {
    let (binary, scratch) = (measure::binary()?, bench.scratch()?);
    let trace = scratch.path().join("trace.csv");
    fs::write(&trace, trace_of(bench.size(REQUESTS))?)?;
    let seconds = |driver: &str, references: &str| -> Tested<f64> {
        replay(&binary, driver, references, &trace)
    };
    let mut rows = Vec::new();
    let mut alone = f64::NAN;
    for driver in DRIVERS {
        let figures =
            (0..bench.rounds(3)).map(|_| seconds(driver, "none")).collect::<Tested<Vec<_>>>()?;
        if driver == DRIVERS[0] {
            alone = measure::median(figures.clone());
        }
        let what = format!("replay of a million requests through the component {driver}");
        rows.push(Row::of("simulate", &what, "s", Figure::of(&figures)).at_most(20.0));
    }
    let each = (seconds(DRIVERS[0], "all")? - alone) / REFERENCES;
    let figure = Figure { median: each, low: each, high: each };
    let what = "the same through a reference policy, the mean of all";
    rows.push(Row::of("simulate", what, "s", Some(figure)).at_most(5.0));
    Ok(rows)
}

/// The seconds of one run of the command.
fn replay(binary: &Path, driver: &str, references: &str, trace: &Path) -> Tested<f64> {
    let mut command = Command::new(binary);
    command.args(["driver", "simulate", driver, "--size", SIZE, "--references", references]);
    command.arg("--trace").arg(trace);
    let started = Instant::now();
    let output = command.output()?;
    match output.status.success() {
        true => Ok(started.elapsed().as_secs_f64()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned().into()),
    }
}

/// A CSV trace of 100,000 images from a seed. The rank of a requested image is distributed as a power of a uniform number, which has
/// the long tail of real traces; sizes are 1 to 200 MiB.
fn trace_of(requests: usize) -> Tested<String> {
    const IMAGES: u64 = 100_000;
    let mut state = 7_u64;
    let mut random = |below: u64| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) % below
    };
    let sizes: Vec<u64> = (0..IMAGES).map(|_| (1 << 20) + random(199 << 20)).collect();
    let mut csv = String::from("time,id,size\n");
    for at in 0..requests {
        let uniform = random(1 << 30) as f64 / f64::from(1 << 30);
        let rank = (IMAGES as f64).powf(uniform) as u64 % IMAGES;
        // Neighbours in the order of the ids are not neighbours in popularity.
        let image = rank * 7919 % IMAGES;
        writeln!(csv, "{},image-{image:06},{}", at / 2, sizes[image as usize])?;
    }
    Ok(csv)
}
