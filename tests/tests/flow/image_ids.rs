//! Image ids: every operation refuses an invalid id before it accesses a file, and accepts a valid one.

use image_cache::{Error, Expected, ImageCache};
use image_cache_tests::{
    Source, TempCache, Tested, fill, listed, queued, read_all, serve, with_both_drivers,
};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::Ordering;

with_both_drivers![
    every_operation_refuses_an_invalid_id_before_it_accesses_a_file,
    an_unusual_but_valid_id_works_in_every_operation,
    the_configured_database_and_its_side_files_are_no_images,
    a_path_out_of_the_directory_reaches_nothing,
];

const REFUSED: [&str; 29] = [
    "",
    "/",
    "a/b",
    "a/",
    "/etc/passwd",
    "../x",
    "..",
    ".",
    "./a",
    ".hidden",
    ".image-cache",
    "a\0b",
    "\0",
    "a\nb",
    "a\tb",
    "\u{1b}[2J",
    "\u{7f}",
    "a\u{85}",
    "incomplete",
    "invalid",
    "queue",
    "cache.db",
    "cache.db-wal",
    "cache.db-shm",
    "cache.db-journal",
    "image_cache_db_init",
    "checkme",
    "queue/a",
    "invalid/../a",
];

type Operation = fn(&ImageCache, &str) -> Result<(), Error>;

const OPERATIONS: [(&str, Operation); 16] = [
    ("is_cached", |cache, id| cache.is_cached(id).map(drop)),
    ("is_queued", |cache, id| cache.is_queued(id).map(drop)),
    ("is_being_cached", |cache, id| cache.is_being_cached(id).map(drop)),
    ("is_cacheable", |cache, id| cache.is_cacheable(id, None).map(drop)),
    ("caching_reader", |cache, id| {
        let source = Source::of("image");
        let reads = source.reads();
        let reader = cache.caching_reader(id, source, Expected::nothing()).map(drop);
        assert_eq!(reads.load(Ordering::Relaxed), 0);
        reader
    }),
    ("cache_image", |cache, id| {
        let source = Source::of("image");
        let reads = source.reads();
        let outcome = cache.cache_image(id, source, Expected::nothing()).map(drop);
        assert_eq!(reads.load(Ordering::Relaxed), 0);
        outcome
    }),
    ("cache_image_file", |cache, id| {
        let mut file = tempfile::tempfile().expect("a temporary file can be made");
        cache.cache_image_file(id, &mut file, Expected::nothing()).map(drop)
    }),
    ("open_for_read", |cache, id| cache.open_for_read(id).map(drop)),
    ("open_range", |cache, id| cache.open_range(id, 0..1).map(drop)),
    ("image_size", |cache, id| cache.image_size(id).map(drop)),
    ("hit_count", |cache, id| cache.hit_count(id).map(drop)),
    ("cached_image", |cache, id| cache.cached_image(id).map(drop)),
    ("queue_image", |cache, id| cache.queue_image(id).map(drop)),
    ("delete_cached_image", |cache, id| cache.delete_cached_image(id).map(drop)),
    ("delete_queued_image", |cache, id| cache.delete_queued_image(id).map(drop)),
    ("ImageId", |_, id| Ok(id.parse::<image_cache::ImageId>().map(drop)?)),
];

/// Every name below a directory, with the values of its inode.
fn snapshot(directory: &Path) -> BTreeMap<String, (u64, u64, i64, i64)> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(directory).expect("it can be listed") {
        let path = entry.expect("it can be listed").path();
        let metadata = fs::symlink_metadata(&path).expect("it is there");
        if metadata.is_dir() {
            all.extend(snapshot(&path));
        }
        let inode = (metadata.ino(), metadata.size(), metadata.mtime(), metadata.mtime_nsec());
        all.insert(path.display().to_string(), inode);
    }
    all
}

fn assert_refused(cache: &ImageCache, id: &str, operations: &[(&str, Operation)]) {
    for (name, operation) in operations {
        match operation(cache, id) {
            Err(Error::InvalidImageId(error)) => {
                assert!(!error.reason.is_empty(), "{name}({id:?})")
            }
            other => panic!("{name}({id:?}) answers {other:?}"),
        }
    }
}

fn every_operation_refuses_an_invalid_id_before_it_accesses_a_file(temp: &TempCache) -> Tested {
    let cache = temp.open();
    // So that the operations would find a file.
    temp.put("invalid/a", b"image");
    temp.put("checkme", b"image");
    temp.put("a", b"image");
    cache.status()?;
    let before = snapshot(temp.dir());
    for id in REFUSED.into_iter().map(str::to_owned).chain(["x".repeat(256), "é".repeat(128)]) {
        assert_refused(&cache, &id, &OPERATIONS);
    }
    assert_eq!(snapshot(temp.dir()), before);
    Ok(())
}

fn an_unusual_but_valid_id_works_in_every_operation(temp: &TempCache) -> Tested {
    let cache = temp.open();
    let (longest, wide) = ("x".repeat(255), format!("{}a", "é".repeat(127)));
    let odd = [
        "a", " ", "a b", "é", "e\u{301}", "ノ", "😀", "\u{feff}", "a\\b", "%2e%2e", "~", "-rf",
        "--", "a..", "*?[]",
    ];
    let near = [
        "cache.db-x",
        "cache.db2",
        "Cache.db",
        "CACHE.DB",
        "QUEUE",
        "queue.",
        "incomplete2",
        "invalid ",
        "cache.dbwal",
    ];
    let quoted = ["'; DROP TABLE cached_images; --", "\"", "NULL", "0", "true", "$HOME"];
    for id in odd.into_iter().chain(near).chain(quoted).chain([longest.as_str(), wide.as_str()]) {
        assert!(cache.queue_image(id)? && queued(&cache) == [id], "{id:?}");
        let image = id.as_bytes();
        fill(&cache, id, image);
        assert!(!cache.is_queued(id)? && cache.is_cached(id)?, "{id:?}");
        assert_eq!((serve(&cache, id)?.as_slice(), cache.hit_count(id)?), (image, 1), "{id:?}");
        assert_eq!(listed(&cache), [id]);
        assert!(cache.delete_cached_image(id)?, "{id:?}");
        assert!(
            read_all(cache.caching_reader(id, image, Expected::nothing().with_size(0))?).is_err(),
            "{id:?}"
        );
        assert_eq!(cache.clean(None)?.invalid, 1, "{id:?}");
    }
    assert!(temp.images().is_empty());
    Ok(())
}

fn the_configured_database_and_its_side_files_are_no_images(temp: &TempCache) -> Tested {
    let cache = temp.open_with(|config| config.sqlite_db("./mine.db"));
    for id in
        ["mine.db", "mine.db-wal", "mine.db-shm", "mine.db-journal", "cache.db", "cache.db-wal"]
    {
        // The validity of an id does not depend on a configuration.
        assert_refused(&cache, id, &OPERATIONS[..15]);
    }
    for name in ["mine.db-journal", "cache.db-journal"] {
        temp.put(name, b"");
    }
    fill(&cache, "mine.db-", b"image");
    assert_eq!((listed(&cache), cache.cache_size()?.images), (vec!["mine.db-".to_owned()], 1));
    assert_eq!(cache.delete_all_cached_images()?, 1);
    assert!(temp.path("mine.db-journal").exists() && temp.path("cache.db-journal").exists());
    Ok(())
}

fn a_path_out_of_the_directory_reaches_nothing(temp: &TempCache) -> Tested {
    let cache = temp.open();
    let outside = temp.dir().parent().ok_or("it is in a temporary directory")?.join("outside");
    fs::write(&outside, "secret")?;
    let absolute = outside.display().to_string();
    for id in ["../outside", "queue/../../outside", absolute.as_str()] {
        assert_refused(&cache, id, &OPERATIONS);
    }
    assert_eq!(fs::read(outside)?, b"secret");
    Ok(())
}
