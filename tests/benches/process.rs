//! The command line as whole processes: how long `status` takes, and how much memory a fill of 10 GiB.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const RUNS: usize = 31;
const MIB: usize = 1 << 20;
const FILL: usize = 10 * 1024 * MIB;

fn main() {
    let binary = binary();
    let scratch =
        tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory for the benchmark");
    for driver in ["sqlite", "xattr"] {
        let directory = scratch.path().join(driver);
        std::fs::create_dir_all(&directory).expect("a cache directory");
        for n in 0..1000 {
            std::fs::write(directory.join(format!("image-{n:06}")), [7; 1024]).expect("an image");
        }
        let (fastest, median, slowest) = status(&binary, &directory, driver);
        println!(
            "status, 1000 images, {driver}: {median:.1?} (fastest {fastest:.1?}, slowest {slowest:.1?}, {RUNS} runs)"
        );
    }
    let (peak, took) = fill(&binary, &scratch.path().join("fill"));
    let rate = FILL as f64 / took.as_secs_f64() / MIB as f64;
    println!("add -, 10 GiB: at most {peak} KiB resident, {rate:.0} MiB/s flush included");
}

/// The binary that was built with this benchmark.
fn binary() -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    let profile = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("release");
    let built =
        cargo.args(["build", "--release", "--package", "image-cache", "--all-features"]).status();
    assert!(built.is_ok_and(|status| status.success()), "the binary cannot be built");
    profile.join("image-cache")
}

fn status(binary: &Path, directory: &Path, driver: &str) -> (Duration, Duration, Duration) {
    let mut times: Vec<Duration> = (0..=RUNS)
        .map(|_| {
            let mut command = Command::new(binary);
            command.arg("--cache-dir").arg(directory).args(["--driver", driver, "status"]);
            let start = Instant::now();
            let output = command.output().expect("the binary runs");
            let took = start.elapsed();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            took
        })
        .skip(1)
        .collect();
    times.sort();
    (times[0], times[RUNS / 2], times[RUNS - 1])
}

/// Feeds 10 GiB to `add -`; its peak of resident memory in KiB, and how long it took.
fn fill(binary: &Path, directory: &Path) -> (u64, Duration) {
    let start = Instant::now();
    let mut child = Command::new(binary)
        .arg("--cache-dir")
        .arg(directory)
        .args(["--max-size", "100 GiB", "add", "large", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("the binary runs");
    let mut stdin = child.stdin.take().expect("it was piped");
    let block: Vec<u8> = (0..MIB).map(|n| (n * 31 % 251) as u8).collect();
    for _ in 0..FILL / MIB {
        stdin.write_all(&block).expect("it reads to the end");
    }
    let mut peak = resident_peak(child.id());
    drop(stdin);
    while child.try_wait().expect("a child can be waited for").is_none() {
        peak = peak.max(resident_peak(child.id()));
        std::thread::sleep(Duration::from_millis(5));
    }
    (peak, start.elapsed())
}

/// `VmHWM` in KiB; 0 once the process has ended.
fn resident_peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}
