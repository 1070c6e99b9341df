//! Which files cleaning removes, and which it must not remove.

use image_cache::{Cleaned, Expected, Outcome};
use image_cache_tests::{TempCache, Tested, bytes, fill, serve, set_times, with_both_drivers};
use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, SystemTime};

with_both_drivers![
    all_invalid_and_stalled_files_are_removed,
    a_given_stall_time_beats_the_configured_one,
    a_live_writer_is_never_cleaned_however_old_its_file,
    only_leftovers_of_images_are_cleaned,
    many_leftovers_are_removed_at_once,
    a_cleaned_image_can_be_fetched_again,
];

fn age(path: &Path, age: Duration) -> Tested {
    let then = SystemTime::now() - age;
    Ok(set_times(path, then, then)?)
}

const HOUR: Duration = Duration::from_secs(3600);

fn cleaned(incomplete: u64, invalid: u64, bytes: u64) -> Cleaned {
    let mut cleaned = Cleaned::default();
    (cleaned.incomplete, cleaned.invalid, cleaned.bytes) = (incomplete, invalid, bytes);
    cleaned
}

fn all_invalid_and_stalled_files_are_removed(temp: &TempCache) -> Tested {
    let cache = temp.open();
    assert_eq!(cache.clean(None)?, cleaned(0, 0, 0));
    fill(&cache, "good", b"image");
    age(&temp.path("good"), 48 * HOUR)?;
    age(&temp.put("incomplete/stalled", b"1234567"), 25 * HOUR)?;
    age(&temp.put("incomplete/young", b"12345"), 23 * HOUR)?;
    temp.put("invalid/new", b"123");
    age(&temp.put("invalid/old", b""), 48 * HOUR)?;
    assert_eq!(cache.clean(None)?, cleaned(1, 2, 10));
    assert_eq!(
        (temp.names("incomplete"), temp.names("invalid").len()),
        (BTreeSet::from(["young".into()]), 0)
    );
    assert_eq!(serve(&cache, "good")?, b"image");
    Ok(())
}

fn a_given_stall_time_beats_the_configured_one(temp: &TempCache) -> Tested {
    let cache = temp.open_with(|config| config.stall_time(2 * HOUR));
    for (name, hours) in [("one", 1), ("three", 3), ("five", 5)] {
        age(&temp.put(&format!("incomplete/{name}"), b"12345"), hours * HOUR)?;
    }
    assert_eq!(cache.clean(Some(4 * HOUR))?, cleaned(1, 0, 5));
    assert_eq!(cache.clean(None)?, cleaned(1, 0, 5));
    assert_eq!(cache.clean(Some(Duration::MAX))?, cleaned(0, 0, 0));
    assert_eq!(cache.clean(Some(Duration::ZERO))?, cleaned(1, 0, 5));
    Ok(())
}

fn a_live_writer_is_never_cleaned_however_old_its_file(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(1, 600_000));
    let mut writer = cache.caching_reader("a", &image[..], Expected::nothing())?;
    writer.read_exact(&mut [0; 300_000])?;
    age(&temp.path("incomplete/a"), 72 * HOUR)?;
    assert_eq!(cache.clean(Some(Duration::ZERO))?, cleaned(0, 0, 0));
    assert_eq!(temp.open().clean(None)?, cleaned(0, 0, 0), "another cache removes nothing either");
    writer.read_to_end(&mut Vec::new())?;
    assert!(matches!(writer.outcome(), Some(Outcome::Cached(_))));
    assert_eq!(serve(&cache, "a")?, image);
    temp.records_in_sync();
    Ok(())
}

fn only_leftovers_of_images_are_cleaned(temp: &TempCache) -> Tested {
    let cache = temp.open();
    let outside = tempfile::NamedTempFile::new()?;
    for folder in ["incomplete", "invalid"] {
        fs::create_dir(temp.path(folder).join("directory"))?;
        std::os::unix::fs::symlink(outside.path(), temp.path(folder).join("link"))?;
        temp.put(&format!("{folder}/.hidden"), b"");
    }
    assert_eq!(cache.clean(Some(Duration::ZERO))?, cleaned(0, 0, 0));
    let status = cache.status()?;
    assert_eq!((status.incomplete, status.invalid), (0, 0));
    assert_eq!((temp.names("incomplete").len(), temp.names("invalid").len()), (3, 3));
    assert!(outside.path().exists());
    Ok(())
}

fn many_leftovers_are_removed_at_once(temp: &TempCache) -> Tested {
    let temp = &TempCache::in_memory(temp.driver());
    let cache = temp.open();
    (0..2100).for_each(|n| drop(temp.put(&format!("invalid/{n}"), b"x")));
    assert_eq!(cache.clean(None)?, cleaned(0, 2100, 2100));
    assert!(temp.names("invalid").is_empty());
    Ok(())
}

fn a_cleaned_image_can_be_fetched_again(temp: &TempCache) -> Tested {
    let cache = temp.open();
    let fetch = || cache.cache_image("a", &b"image"[..], Expected::nothing().with_size(4));
    assert!(fetch().is_err() && fetch().is_err(), "a second failure replaces the first");
    assert_eq!(temp.names("invalid").len(), 1);
    assert_eq!(cache.clean(None)?.invalid, 1);
    assert_eq!(fill(&cache, "a", b"image").size, 5);
    Ok(())
}
