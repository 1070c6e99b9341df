//! The command line as a whole process: the time of `status`, and the memory of a fill of 10 GiB.

use image_cache_tests::measure::files::fill;
use image_cache_tests::measure::{self, Bench, Figure, Measure, Row, Side, in_turns, memory_of};
use image_cache_tests::{Tested, glance};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Runs of image-cache, each with one run of a peer, which takes a second.
const RUNS: usize = 9;

/// Runs of image-cache in a turn.
const STATUSES: usize = 5;

const MIB: usize = 1 << 20;
const FILL: usize = 10 * 1024 * MIB;

pub const MEASURES: [Measure; 2] = [("process_status", status), ("process_memory", memory)];

fn status(bench: &Bench) -> Tested<Vec<Row>> {
    let (binary, scratch) = (measure::binary()?, bench.scratch()?);
    let mut rows = Vec::new();
    for driver in ["sqlite", "xattr"] {
        let directory = scratch.path().join(driver);
        fill(&directory, driver, 1000)?;
        let mut ours = Command::new(&binary);
        ours.arg("--cache-dir").arg(&directory).args(["--driver", driver, "status"]);
        let peer = pruner(&scratch.path().join(format!("glance-{driver}")), driver);
        let sides = vec![
            Side::new("ours", || millis(&mut ours, STATUSES)),
            Side::of("glance-cache-pruner, empty cache", peer, |peer| millis(peer, 1)),
        ];
        let scores = in_turns(bench.rounds(RUNS), sides)?;
        let what = format!("status, 1,000 images, {driver}, whole process");
        rows.push(Row::new("process", &what, "ms", &scores, 0).at_most(15.0));
    }
    Ok(rows)
}

/// Glance's prune program, with nothing to prune.
fn pruner(directory: &Path, driver: &str) -> Tested<Command> {
    let program = glance::installed()?.join("bin/glance-cache-pruner");
    fs::create_dir_all(directory)?;
    let settings = directory.with_extension("conf");
    let words = format!(
        "[DEFAULT]\nimage_cache_dir = {}\nimage_cache_driver = {driver}\n",
        directory.display()
    );
    fs::write(&settings, words)?;
    let mut command = Command::new(program);
    command.arg("--config-file").arg(settings);
    Ok(command)
}

/// The time of one run.
fn millis(command: &mut Command, runs: usize) -> Tested<Vec<f64>> {
    let started = Instant::now();
    for _ in 0..runs {
        let output = command.output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
        }
    }
    Ok(vec![started.elapsed().as_secs_f64() * 1e3 / runs as f64])
}

/// Feeds 10 GiB to `add -`, once.
fn memory(bench: &Bench) -> Tested<Vec<Row>> {
    let (binary, scratch, size) = (measure::binary()?, bench.scratch()?, bench.size(FILL));
    let (peak, took) = add(&binary, scratch.path(), size)?;
    let one = |value: f64| Some(Figure { median: value, low: value, high: value });
    let peak = one(peak as f64 / MIB as f64);
    let rate = one(size as f64 / took.as_secs_f64() / 1e6);
    Ok(vec![
        Row::of("memory", "10 GiB through `add -`, whole process", "MiB", peak).at_most(32.0),
        Row::of("process", "10 GiB through `add -`, sync included", "MB/s", rate),
    ])
}

/// The peak of resident memory in bytes, and the time.
fn add(binary: &PathBuf, directory: &Path, size: usize) -> Tested<(u64, Duration)> {
    let started = Instant::now();
    let mut command = Command::new(binary);
    command.arg("--cache-dir").arg(directory).args(["--max-size", "100 GiB", "add", "large", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    let mut stdin = child.stdin.take().ok_or("its input is piped")?;
    let block: Vec<u8> = (0..MIB).map(|n| (n * 31 % 251) as u8).collect();
    for _ in 0..size / MIB {
        stdin.write_all(&block)?;
    }
    let mut peak = memory_of(child.id(), "VmHWM");
    drop(stdin);
    let status = loop {
        match child.try_wait()? {
            Some(status) => break status,
            None => peak = peak.max(memory_of(child.id(), "VmHWM")),
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    if status.success() {
        return Ok((peak, started.elapsed()));
    }
    Err(format!("add failed: {status}").into())
}
