//! What attributes and files could do to the disk, and to what is not the driver's.

use image_cache_tests::siege::Siege;
use image_cache_tests::{Tested, fill};
use std::fs;

pub fn floods_attributes(siege: Siege) -> Tested {
    let siege = siege.unhurried();
    siege.is_harmless()?;
    for entry in fs::read_dir(siege.trial.dir())?.flatten().filter(|entry| entry.path().is_file()) {
        let names = xattr::list(entry.path())?.count();
        assert!(names <= 32, "{:?} has {names} attributes", entry.file_name());
    }
    Ok(())
}

pub fn reads_other_drivers_attributes(siege: Siege) -> Tested {
    let siege = siege.unhurried();
    let cache = siege.open();
    fs::create_dir(siege.trial.path("a-directory"))?;
    std::os::unix::fs::symlink(siege.trial.beside("outside.db"), siege.trial.path("a-link"))?;
    fill(&cache, "a", b"bytes");
    cache.prune()?;
    // What it called `hits` is not the built-in xattr driver's, and nothing else of the system's is there.
    let mut names: Vec<String> =
        xattr::list(siege.trial.path("a"))?.map(|name| name.to_string_lossy().into()).collect();
    names.sort_unstable();
    let own = ["checksum", "hits", "security.capability", "user.hits"];
    assert_eq!(names, own.map(|name| format!("user.image-cache.tried.{name}")));
    drop(cache);
    siege.is_harmless()
}

pub fn holds_every_listing(siege: Siege) -> Tested {
    let before = open_files()?;
    let siege = siege.unhurried();
    let cache = siege.open();
    for round in 0..3 {
        siege.round(&cache, round)?;
    }
    assert_eq!(cache.driver().fallback, None);
    let held = open_files()?.saturating_sub(before);
    // Other tests of this process open some, too.
    assert!(held < 500, "{held} more files are open");
    siege.stands(&cache)
}

fn open_files() -> Tested<usize> {
    Ok(fs::read_dir("/proc/self/fd")?.count())
}
