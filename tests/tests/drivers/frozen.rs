//! Components that were built for an older release of the contract run unchanged: they are stored as they were built.

use image_cache::conformance::CASES;
use image_cache::{Config, DriverConfig, inspect};
use image_cache_tests::Tested;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

#[test]
fn drivers_that_were_built_for_1_0_pass_the_conformance_suite() -> Tested {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/wit-1.0");
    let mut tested = 0;
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "wasm") {
            passes(&path)?;
            tested += 1;
        }
    }
    assert!(tested >= 2, "they are in {}", folder.display());
    Ok(())
}

fn passes(component: &Path) -> Tested {
    let scratch = match TempDir::new_in("/dev/shm") {
        Ok(scratch) if xattr::set(scratch.path(), "user.test", b"1").is_ok() => scratch,
        _ => TempDir::new()?,
    };
    let mut driver = DriverConfig::new(component);
    let config = Config::builder(scratch.path()).build()?;
    let inspection = inspect(component.to_str().ok_or("the path is text")?, &config);
    assert!(
        inspection.exports.contains(&"image-cache:driver/driver@1.0.0".to_owned()),
        "{inspection:?}"
    );
    driver.grants = inspection.grants;
    (driver.limits.guest_time, driver.limits.call_time) =
        (Duration::from_secs(20), Duration::from_secs(40));
    let config =
        Config::builder(scratch.path()).define_driver("old", driver).driver("old").build()?;
    let mut failures = String::new();
    for case in CASES {
        if let Err(failure) = case.run(&config, scratch.path()).outcome {
            writeln!(failures, "- {}: {failure}", case.sentence())?;
        }
    }
    assert!(failures.is_empty(), "{}:\n{failures}", component.display());
    Ok(())
}
