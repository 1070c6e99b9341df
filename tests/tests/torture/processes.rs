//! Eight processes that do everything at once on one directory: a sample of what `cargo xtask torture` does for longer.

use image_cache_tests::{TempCache, Tested, processes};
use std::io::Write;
use std::time::UNIX_EPOCH;

/// Unless `PROCESSES_SECONDS` says otherwise; the torture gives each driver a minute.
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
    // Past the harness, which keeps what tests that pass say.
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
