//! The commands that run all test programs of the workspace, in two series that run at the same time.

use crate::command::{cargo, metadata};
use crate::memory_dir::MemoryDir;
use crate::series::Series;
use anyhow::{Result, bail};
use std::env;
use std::process::Command;
use std::thread;

/// Tests that one program runs at once for each processor: most of them wait for a disk, a process or a time.
const TESTS_FOR_EACH_PROCESSOR: usize = 2;

/// The variable with the number of tests that run at once.
const THREADS: &str = "RUST_TEST_THREADS";

/// The programs whose tests mostly wait for a server, a client or a time. They run beside the others.
const WAITING: [&str; 2] = ["glance", "serve"];

/// The programs that test the command line and drivers, with a small cache for each test. Their caches are in memory, because some
/// file systems need most of the time of these tests to create and remove files. The other programs test the disk.
const IN_MEMORY: [&str; 3] = ["cli", "docs", "drivers"];

/// A library without tests of cargo, which `--lib` would build nevertheless, with all of PyO3. `cargo xtask python` tests it.
const WITHOUT_TESTS: &str = "image-cache-python";

/// A `cargo test` of the whole workspace; after a failure its other programs still run.
pub fn all() -> Command {
    let mut tests = cargo(&["test", "--workspace", "--all-features", "--locked", "--no-fail-fast"]);
    if env::var_os(THREADS).is_none() {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        tests.env(THREADS, (TESTS_FOR_EACH_PROCESSOR * processors).to_string());
    }
    tests
}

/// Builds all test programs.
pub fn build() -> Command {
    let mut build = all();
    build.arg("--no-run");
    build
}

/// All test programs and the examples in the documentation: the commands of one series run one after the other. Temporary files of
/// some are in `memory`, if there is one.
pub fn series(memory: Option<&MemoryDir>) -> Result<[Series; 2]> {
    let names = programs("test")?;
    if let Some(missing) =
        WAITING.iter().chain(&IN_MEMORY).find(|name| !names.iter().any(|it| it == *name))
    {
        bail!("no test program is named {missing}");
    }
    let (mut waiting, mut in_memory, mut others, mut examples) = (all(), all(), all(), all());
    others.args(["--exclude", WITHOUT_TESTS, "--lib"]);
    for name in programs("bin")? {
        others.args(["--bin", &name]);
    }
    for name in &names {
        let program = match &**name {
            name if WAITING.contains(&name) => &mut waiting,
            name if IN_MEMORY.contains(&name) => &mut in_memory,
            _ => &mut others,
        };
        program.args(["--test", name]);
    }
    if let Some(memory) = memory {
        in_memory.env("TMPDIR", memory.path());
    }
    examples.arg("--doc");
    let others = Series::new("most tests", vec![in_memory, others, examples]);
    Ok([others, Series::new("the tests that wait", vec![waiting])])
}

/// The names of the workspace's targets of this kind that have tests.
fn programs(kind: &str) -> Result<Vec<String>> {
    let metadata = metadata()?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let targets = packages.flat_map(|package| package["targets"].as_array().into_iter().flatten());
    let tested = targets.filter(|target| target["kind"][0] == kind && target["test"] == true);
    let mut names: Vec<String> =
        tested.filter_map(|target| target["name"].as_str().map(str::to_owned)).collect();
    names.sort();
    names.dedup();
    Ok(names)
}
