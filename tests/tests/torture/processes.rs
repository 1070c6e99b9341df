//! Eight processes that run all operations concurrently on one directory: a sample of the longer run by `cargo xtask torture`.

use image_cache_tests::{TempCache, Tested, processes};
use std::io::Write;
use std::time::UNIX_EPOCH;

/// The default time without `PROCESSES_SECONDS`; the torture tests run each driver for a minute.
const SECONDS: u64 = 5;

/// Runs as one of the processes, under the tests below.
#[test]
fn one_of_many() -> Tested {
    processes::one()
}

fn many(temp: &TempCache) -> Tested {
    let given = |name| std::env::var(name).ok().map(|number| number.parse::<u64>()).transpose();
    let seed = given("SEED")?.unwrap_or(UNIX_EPOCH.elapsed()?.subsec_nanos().into());
    let seconds = given("PROCESSES_SECONDS")?.unwrap_or(SECONDS);
    // Written directly, because the test harness captures the output of successful tests.
    let _ = writeln!(std::io::stderr(), "many processes, {}: SEED={seed}", temp.driver());
    let arguments = &["--exact", "processes::one_of_many", "--nocapture"];
    let report = processes::Run { seconds, seed, arguments }.on(temp)?;
    let _ = std::io::stderr().write_all(format!("{report}\n").as_bytes());
    assert!(report.hits > 0, "{report}");
    Ok(())
}

#[test]
fn eight_processes_lose_no_hit_and_tear_no_image_with_sqlite() -> Tested {
    many(&TempCache::in_memory("sqlite"))
}

#[test]
fn eight_processes_lose_no_hit_and_tear_no_image_with_xattr() -> Tested {
    many(&TempCache::in_memory("xattr"))
}
