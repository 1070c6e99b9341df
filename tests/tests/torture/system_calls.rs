//! Crashes, faults, power losses and full disks at system calls: other calls, errors and moments in each run.

use image_cache_tests::Tested;
use image_cache_tests::serving::binary;
use image_cache_tests::torture::{Choice, LINKED, Part, Programs, is_possible};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Set to the seed of a run that failed, to run the same sample again.
const SEED: &str = "TORTURE_SEED";

/// The programs under test; none, with a message, if programs cannot be traced on this machine.
fn programs() -> Option<Programs> {
    let read_through = Path::new(env!("CARGO_BIN_EXE_read-through"));
    is_possible().then(|| Programs::new(&binary(), read_through).expect("both files are there"))
}

fn sample(part: Part, runs: usize) -> Tested {
    let Some(programs) = programs() else { return Ok(()) };
    let seed = match std::env::var(SEED) {
        Ok(seed) => seed.parse()?,
        Err(_) => SystemTime::now().duration_since(UNIX_EPOCH)?.subsec_nanos().into(),
    };
    println!("{SEED}={seed}");
    let matrix = part.run(&programs, &Choice::Sample { runs, seed })?;
    println!("{matrix}");
    assert!(matrix.failures.is_empty(), "{SEED}={seed}: {:#?}", matrix.failures);
    Ok(())
}

#[test]
fn a_process_killed_at_any_call_leaves_a_cache_in_which_nothing_is_wrong() -> Tested {
    sample(Part::Crash, 150)
}

#[test]
fn a_call_that_fails_costs_no_reader_a_byte_and_leaves_nothing_wrong() -> Tested {
    sample(Part::Fault, 250)
}

#[test]
fn a_power_loss_at_any_moment_loses_no_image_that_was_reported_as_cached() -> Tested {
    sample(Part::Power, 8)
}

#[test]
fn a_disk_with_any_amount_of_room_costs_no_reader_a_byte() -> Tested {
    sample(Part::Disk, 60)
}

/// The run without faults is one of them, and must publish its image.
#[test]
fn where_no_rename_can_keep_from_replacing_an_image_is_published_and_no_crash_harms_it() -> Tested {
    let Some(programs) = programs() else { return Ok(()) };
    let matrix = Part::Crash.run(&programs, &Choice::Operation(LINKED.to_owned()))?;
    println!("{matrix}");
    assert!(matrix.failures.is_empty(), "{:#?}", matrix.failures);
    assert!(matrix.columns().contains("link"), "{:?}", matrix.columns());
    Ok(())
}
