//! Attributes and files: harm to the disk, and access to data of others.

use image_cache_tests::hostile::Harness;
use image_cache_tests::{Tested, fill};
use std::fs;

pub fn floods_attributes(harness: Harness) -> Tested {
    let harness = harness.with_long_deadlines();
    harness.assert_harmless()?;
    for entry in fs::read_dir(harness.trial.dir())?.flatten().filter(|entry| entry.path().is_file())
    {
        let names = xattr::list(entry.path())?.count();
        assert!(names <= 32, "{:?} has {names} attributes", entry.file_name());
    }
    Ok(())
}

pub fn reads_other_drivers_attributes(harness: Harness) -> Tested {
    let harness = harness.with_long_deadlines();
    let cache = harness.open();
    fs::create_dir(harness.trial.path("a-directory"))?;
    std::os::unix::fs::symlink(harness.trial.beside("outside.db"), harness.trial.path("a-link"))?;
    fill(&cache, "a", b"bytes");
    cache.prune()?;
    // Its attribute `hits` is not that of the built-in xattr driver, and it has changed no system attribute.
    let mut names: Vec<String> =
        xattr::list(harness.trial.path("a"))?.map(|name| name.to_string_lossy().into()).collect();
    names.sort_unstable();
    let own = ["checksum", "hits", "security.capability", "user.hits"];
    assert_eq!(names, own.map(|name| format!("user.image-cache.tried.{name}")));
    drop(cache);
    harness.assert_harmless()
}

pub fn holds_every_listing(harness: Harness) -> Tested {
    let before = open_files()?;
    let harness = harness.with_long_deadlines();
    let cache = harness.open();
    for round in 0..3 {
        harness.round(&cache, round)?;
    }
    assert_eq!(cache.driver().fallback, None);
    let held = open_files()?.saturating_sub(before);
    // Other tests of this process also open some.
    assert!(held < 500, "{held} more files are open");
    harness.assert_cache_works(&cache)
}

fn open_files() -> Tested<usize> {
    Ok(fs::read_dir("/proc/self/fd")?.count())
}
