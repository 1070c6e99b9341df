//! Files that were truncated, extended, overwritten or exchanged, while a cache was open or not.

use super::{MIB, refused};
use image_cache_tests::{
    TempCache, Tested, bytes, fill, listed, serve, set_times, with_both_drivers,
};
use std::fs::{self, File};
use std::io::{self};
use std::path::Path;

with_both_drivers![
    a_file_cut_short_grown_or_exchanged_is_refused_at_once,
    damage_while_no_cache_was_open_is_also_refused,
];

/// Changes the file of an image with these bytes.
type Damage = fn(&Path, &[u8]) -> io::Result<()>;

fn damages() -> Vec<(&'static str, Damage)> {
    fn length(file: &Path, len: u64) -> io::Result<()> {
        let modified = fs::metadata(file)?.modified()?;
        let file = File::options().write(true).open(file)?;
        file.set_len(len)?;
        file.set_modified(modified)
    }
    fn exchange(file: &Path, image: &[u8], shorter: usize) -> io::Result<()> {
        let other = file.with_file_name("another");
        fs::write(&other, bytes(99, image.len() - shorter))?;
        fs::rename(other, file)
    }
    vec![
        ("cut by a byte", |file, image| length(file, image.len() as u64 - 1)),
        ("cut to a block", |file, _| length(file, MIB as u64)),
        ("emptied", |file, _| length(file, 0)),
        ("longer by a byte", |file, image| length(file, image.len() as u64 + 1)),
        ("exchanged", |file, image| exchange(file, image, 0)),
        ("exchanged for a shorter one", |file, image| exchange(file, image, 1)),
        ("overwritten", |file, image| fs::write(file, bytes(98, image.len()))),
        ("exchanged, with its times", |file, image| {
            let modified = fs::metadata(file)?.modified()?;
            exchange(file, image, 0)?;
            set_times(file, modified, modified)
        }),
    ]
}

fn a_file_cut_short_grown_or_exchanged_is_refused_at_once(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(2, MIB + 5000));
    for (words, damage) in damages() {
        fill(&cache, "a", &image);
        // With and without its digests in memory.
        if words.contains('x') {
            assert!(serve(&cache, "a")? == image);
        }
        damage(&temp.path("a"), &image)?;
        assert_eq!(refused(&cache, "a").len(), 0, "{words}");
        assert!(!cache.is_cached("a")? && temp.path("invalid/a").exists(), "{words}");
        assert!(cache.invalid_reason("a")?.is_some(), "{words}");
        temp.records_in_sync();
    }
    Ok(())
}

fn damage_while_no_cache_was_open_is_also_refused(temp: &TempCache) -> Tested {
    let image = bytes(3, MIB + 5000);
    for (words, damage) in damages() {
        fill(&temp.open(), "a", &image);
        damage(&temp.path("a"), &image)?;
        let cache = temp.open();
        // The records have adopted the file, but its bytes are not verified.
        assert_eq!(listed(&cache), ["a"], "{words}");
        assert_eq!(refused(&cache, "a").len(), 0, "{words}");
        assert!(!cache.is_cached("a")?, "{words}");
        temp.records_in_sync();
    }
    Ok(())
}
