//! `cargo xtask fuzz`: builds the targets below `fuzz/` with libFuzzer, and runs each for a given time.

use crate::command::{cargo, step};
use crate::{drivers, run::Run};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The manifest of the fuzz crate, which is not a member of the workspace.
const MANIFEST: &str = "fuzz/Cargo.toml";

/// The directory for builds and for the results of runs; it shares nothing with ordinary builds.
const TARGET_DIR: &str = "target/fuzz";

/// Targets that are linked with the engine, which includes wasmtime and takes minutes to build.
const WITH_ENGINE: [&str; 1] = ["sql_calls"];

/// Limits for one input: the time in seconds, the memory of the process in megabytes, and the length in bytes.
const BOUNDS: [&str; 3] = ["-timeout=10", "-rss_limit_mb=2048", "-max_len=4096"];

/// Runs the named targets, or all targets if none is named.
pub fn run(arguments: &[&str]) -> Result<()> {
    let Asked { targets, seconds } = Asked::of(arguments)?;
    build(&targets)?;
    let mut run = Run::new();
    for target in &targets {
        run.check(&format!("Fuzzing {target}"), || fuzz(target, seconds));
    }
    run.finish()
}

/// The parsed arguments.
struct Asked {
    targets: Vec<String>,
    /// `None` means until it is stopped.
    seconds: Option<u64>,
}

impl Asked {
    fn of(arguments: &[&str]) -> Result<Asked> {
        let known = known()?;
        let (mut targets, mut seconds) = (Vec::new(), None);
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match *argument {
                "--for" => {
                    let time = arguments.next().context("--for needs a time, such as 60s")?;
                    seconds = Some(seconds_of(time)?);
                }
                name if known.iter().any(|known| known == name) => targets.push(name.to_owned()),
                other => bail!("{other:?} is not a target; the targets are {}", known.join(", ")),
            }
        }
        if targets.is_empty() {
            targets = known;
        }
        Ok(Asked { targets, seconds })
    }
}

/// The names of all targets.
fn known() -> Result<Vec<String>> {
    let sources = fs::read_dir("fuzz/fuzz_targets").context("fuzz/fuzz_targets")?;
    let name = |entry: fs::DirEntry| Some(entry.path().file_stem()?.to_str()?.to_owned());
    let mut names: Vec<_> = sources.flatten().filter_map(name).collect();
    names.sort_unstable();
    Ok(names)
}

/// `90`, `90s`, `10m` or `1h`.
fn seconds_of(time: &str) -> Result<u64> {
    let digits = time.trim_end_matches(|unit: char| unit.is_ascii_alphabetic());
    let unit = match &time[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        other => bail!("{other:?} is not a unit of time; the units are s, m and h"),
    };
    let number = digits.parse::<u64>().ok().filter(|number| *number > 0);
    let seconds = number.and_then(|number| number.checked_mul(unit));
    seconds.with_context(|| format!("{time:?} is not a time such as 60s, 10m or 1h"))
}

fn build(targets: &[String]) -> Result<()> {
    let mut build = cargo(&["build", "--locked", "--manifest-path", MANIFEST]);
    build.args(["--target-dir", TARGET_DIR]);
    if targets.iter().any(|target| WITH_ENGINE.contains(&&**target)) {
        // The engine embeds drivers.
        drivers::toolchain()?;
        build.args(["--features", "engine"]);
    }
    for target in targets {
        build.args(["--bin", target]);
    }
    // Required by one unstable line of the manifest: flags for single packages.
    build.env("RUSTC_BOOTSTRAP", "1").env_remove("RUSTFLAGS");
    step("Fuzz targets", build)
}

fn fuzz(target: &str, seconds: Option<u64>) -> Result<()> {
    let found = Path::new(TARGET_DIR).join("corpus").join(target);
    let wrong = Path::new(TARGET_DIR).join("artifacts").join(target);
    for directory in [&found, &wrong] {
        fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
    }
    let program = Path::new(TARGET_DIR).join("debug").join(target);
    let mut fuzzer = Command::new(&program);
    // libFuzzer writes new inputs to the first directory; the checked-in inputs do not change.
    fuzzer.arg(&found).arg(Path::new("fuzz/corpus").join(target)).args(BOUNDS);
    fuzzer.args(["-print_final_stats=1", "-use_value_profile=1"]);
    fuzzer.arg(format!("-artifact_prefix={}/", wrong.display()));
    if let Some(seconds) = seconds {
        // Without a line for each new input, which would hide a crash in a long log.
        fuzzer.arg(format!("-max_total_time={seconds}")).arg("-verbosity=0");
    }
    let words: PathBuf = ["fuzz/dictionaries", &format!("{target}.dict")].iter().collect();
    if words.exists() {
        fuzzer.arg(format!("-dict={}", words.display()));
    }
    step(&format!("Fuzzing {target}"), fuzzer).with_context(|| {
        format!(
            "run `{} FILE` to see the crash; fix the code, and add the input to fuzz/corpus/{target}",
            program.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::seconds_of;

    #[test]
    fn times_have_units() {
        for (time, seconds) in [("90", 90), ("60s", 60), ("10m", 600), ("2h", 7200)] {
            assert_eq!(seconds_of(time).expect("a time"), seconds);
        }
        for time in ["", "0s", "s", "-1s", "1d", "99999999999999999h"] {
            assert!(seconds_of(time).is_err(), "{time}");
        }
    }
}
