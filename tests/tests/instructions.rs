//! The test of instruction counts: no hot path may take more instructions than before unless a developer stores the new count.
//!
//! It counts instructions and measures no time, so a loaded machine does not change the result. It takes a minute: it runs only if
//! `IMAGE_CACHE_TEST_FULL=1` is set, as `cargo xtask guard` does, which runs only this test.

use image_cache_tests::instructions::{
    Baseline, Counting, Difference, HotPath, Machine, PATHS, TOLERANCE, Valgrind,
};
use image_cache_tests::{Tested, is_full_run, skip};
use std::io::{self, Write};
use std::path::Path;

/// Set by `cargo xtask guard --save`.
const SAVE: &str = "IMAGE_CACHE_SAVE_INSTRUCTIONS";

/// The number of counts of a path before a difference is reported. The smallest count is used, because disturbances only increase
/// it.
const COUNTS: usize = 3;

#[test]
fn no_hot_path_takes_more_instructions_than_were_accepted() -> Tested {
    if !is_full_run("the instruction counts") {
        return Ok(());
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/instructions.toml");
    let save = std::env::var_os(SAVE).is_some();
    let valgrind = match Valgrind::find_or_install() {
        Ok(valgrind) => valgrind,
        Err(why) => return left_out(save, &why),
    };
    let machine = Machine::this(&valgrind);
    let kept = if save { None } else { Some(Baseline::read(&file)?) };
    let others = kept.as_ref().map(|kept| machine.differences(&kept.machine)).unwrap_or_default();
    if !others.is_empty() {
        return left_out(
            save,
            &format!("they were stored on another machine ({})", others.join("; ")),
        );
    }
    let counting = match Counting::new(valgrind, Path::new(env!("CARGO_BIN_EXE_hot-paths"))) {
        Ok(counting) => counting,
        Err(why) => return left_out(save, &why.to_string()),
    };
    let paths: Vec<_> = PATHS.iter().collect();
    counting.warm_up(&paths)?;
    let mut found = Baseline::new(machine, &counting.count(&paths)?);
    match kept {
        Some(kept) => compare(&counting, &kept, &mut found, &file),
        None => {
            found.lower(&counting.count(&paths)?);
            say(&found.to_string());
            found.write(&file)
        }
    }
}

/// Fails if the count of a path differs, even after it was counted again.
fn compare(counting: &Counting, kept: &Baseline, found: &mut Baseline, file: &Path) -> Tested {
    for _ in 1..COUNTS {
        let differing = kept.differences(found);
        let is_differing = |path: &&HotPath| differing.iter().any(|d| d.path == path.to_string());
        found.lower(&counting.count(&PATHS.iter().filter(is_differing).collect::<Vec<_>>())?);
    }
    let differences = kept.differences(found);
    if differences.is_empty() {
        return Ok(());
    }
    say(&format!(
        "the instruction counts of these paths differ from the stored counts by more than {:.0} %:\n\n{}",
        TOLERANCE * 100.0,
        Difference::table(&differences)
    ));
    Err(format!(
        "{} of {} paths differ. Where that is meant: cargo xtask guard --save, and commit {}. \
         Fewer instructions are to be kept, too: else the next growth would not be seen",
        differences.len(),
        PATHS.len(),
        file.display()
    )
    .into())
}

fn left_out(save: bool, why: &str) -> Tested {
    if save {
        return Err(format!("no instructions can be counted: {why}").into());
    }
    skip(&format!("the instructions of the hot paths are not counted: {why}"));
    Ok(())
}

fn say(words: &str) {
    let _ = writeln!(io::stderr(), "{words}");
}
