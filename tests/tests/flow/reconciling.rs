//! Opening reconciles the records after changes by other programs to the directory or to the records.

use image_cache::{CacheSize, Expected};
use image_cache_tests::{
    TempCache, Tested, bytes, fill, listed, md5_hex, serve, set_times, with_both_drivers,
};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

with_both_drivers![
    a_file_without_a_record_is_adopted,
    a_record_without_its_file_is_forgotten,
    a_file_of_another_size_has_a_new_record_without_a_checksum,
    a_file_of_another_time_has_no_checksum_any_more,
    a_replaced_file_gets_a_new_record,
    a_file_of_a_time_that_the_records_cannot_hold_keeps_its_hits,
    changing_the_driver_there_and_back_loses_and_invents_nothing,
    every_failure_of_a_fetch_leaves_the_records_in_sync,
    thousands_of_images_are_adopted,
    a_long_list_is_of_the_files_that_are_there_and_keeps_none_open,
];

fn after_1970(micros: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(micros)
}

const MODIFIED: u64 = 1_600_000_000_123_457;
const ACCESSED: u64 = 1_650_000_000_765_431;

fn a_file_of_a_time_that_the_records_cannot_hold_keeps_its_hits(temp: &TempCache) -> Tested {
    let late = after_1970(10_000_000_000_000_000);
    let path = temp.put("a", b"image");
    set_times(&path, late, late)?;
    if fs::metadata(&path)?.modified()? != late {
        image_cache_tests::skip("this file system does not support times in the year 2286");
        return Ok(());
    }
    for hits in 1..4 {
        let cache = temp.open();
        serve(&cache, "a")?;
        assert_eq!(cache.hit_count("a")?, hits);
    }
    Ok(())
}

fn a_file_without_a_record_is_adopted(temp: &TempCache) -> Tested {
    let image = bytes(1, 1234);
    set_times(&temp.put("a", &image), after_1970(ACCESSED), after_1970(MODIFIED))?;
    let cache = temp.open();
    let record = cache.cached_image("a")?.ok_or("it was adopted")?;
    assert_eq!((record.size, record.hits, record.checksum), (1234, 0, None));
    assert_eq!(
        (record.last_accessed, record.last_modified),
        (after_1970(ACCESSED), after_1970(MODIFIED))
    );
    assert_eq!((listed(&cache), serve(&cache, "a")?), (vec!["a".to_owned()], image));
    assert_eq!(temp.records_in_sync()["a"].hits, 1);
    Ok(())
}

fn a_record_without_its_file_is_forgotten(temp: &TempCache) -> Tested {
    let cache = temp.open();
    fill(&cache, "gone", b"image");
    fill(&cache, "kept", b"image");
    fs::remove_file(temp.path("gone"))?;
    assert_eq!(
        (listed(&cache), cache.cached_image("gone")?),
        (vec!["kept".to_owned()], None),
        "never listed but gone"
    );
    drop(cache);
    drop(temp.open());
    assert_eq!(temp.records_in_sync().len(), 1);
    Ok(())
}

fn a_file_of_another_size_has_a_new_record_without_a_checksum(temp: &TempCache) -> Tested {
    let cache = temp.open();
    fill(&cache, "a", b"image");
    drop(cache);
    fs::File::options().append(true).open(temp.path("a"))?.write_all(b" and more")?;
    let cache = temp.open();
    let record = cache.cached_image("a")?.ok_or("it is there")?;
    assert_eq!((record.size, record.checksum), (14, None));
    assert_eq!(temp.records_in_sync()["a"].checksum, None);
    Ok(())
}

fn a_file_of_another_time_has_no_checksum_any_more(temp: &TempCache) -> Tested {
    for shifted in
        [|time: SystemTime| time - Duration::from_secs(10), |time| time + Duration::from_secs(10)]
    {
        let cache = temp.open();
        let record = fill(&cache, "a", b"image");
        drop(cache);
        let modified = shifted(record.last_modified);
        set_times(&temp.path("a"), record.last_accessed, modified)?;
        let cache = temp.open();
        let adopted = cache.cached_image("a")?.ok_or("it is there")?;
        assert_eq!((adopted.last_modified, adopted.checksum), (modified, None));
        temp.records_in_sync();
        cache.delete_cached_image("a")?;
    }
    Ok(())
}

fn a_replaced_file_gets_a_new_record(temp: &TempCache) -> Tested {
    let cache = temp.open();
    fill(&cache, "a", b"image");
    serve(&cache, "a")?;
    drop(cache);
    fs::remove_file(temp.path("a"))?;
    temp.put("a", b"other");
    let record = temp.open().cached_image("a")?.ok_or("it is there")?;
    assert_eq!((record.size, record.hits, record.checksum), (5, 0, None));
    temp.records_in_sync();
    Ok(())
}

fn changing_the_driver_there_and_back_loses_and_invents_nothing(temp: &TempCache) -> Tested {
    let elsewhere =
        TempCache::at(if temp.driver() == "sqlite" { "xattr" } else { "sqlite" }, temp.dir());
    let cache = temp.open();
    for (seed, id) in ["kept", "deleted", "replaced", "read"].into_iter().enumerate() {
        fill(&cache, id, &bytes(seed as u64, 100));
    }
    (0..3).try_for_each(|_| serve(&cache, "kept").map(drop))?;
    serve(&cache, "replaced")?;
    drop(cache);

    let other = elsewhere.open();
    assert_eq!(listed(&other), ["deleted", "kept", "read", "replaced"]);
    other.delete_cached_image("deleted")?;
    other.delete_cached_image("replaced")?;
    fill(&other, "replaced", &bytes(9, 100));
    fill(&other, "new", &bytes(10, 50));
    serve(&other, "read")?;
    drop(other);
    elsewhere.records_in_sync();

    let cache = temp.open();
    assert_eq!(listed(&cache), ["kept", "new", "read", "replaced"]);
    assert_eq!((cache.hit_count("kept")?, cache.hit_count("replaced")?), (3, 0));
    let records = temp.records_in_sync();
    assert_eq!(records["kept"].checksum, Some(md5_hex(&bytes(0, 100))));
    let replaced = md5_hex(&bytes(9, 100));
    assert!(
        records["replaced"].checksum.as_ref().is_none_or(|sum| *sum == replaced),
        "not that of its predecessor"
    );
    for (id, image) in
        [("kept", bytes(0, 100)), ("replaced", bytes(9, 100)), ("new", bytes(10, 50))]
    {
        assert!(serve(&cache, id)? == image, "{id}");
    }
    Ok(())
}

fn every_failure_of_a_fetch_leaves_the_records_in_sync(temp: &TempCache) -> Tested {
    let cache = temp.open();
    fill(&cache, "good", b"image");
    drop(cache.caching_reader("dropped", &b"image"[..], Expected::nothing())?);
    assert!(cache.cache_image("long", &b"image"[..], Expected::nothing().with_size(4)).is_err());
    assert_eq!(temp.records_in_sync().len(), 1);
    drop(cache);
    assert_eq!(listed(&temp.open()), ["good"]);
    Ok(())
}

fn thousands_of_images_are_adopted(temp: &TempCache) -> Tested {
    let temp = &TempCache::in_memory(temp.driver());
    // More than one page of records.
    let ids: Vec<String> = (0..2100).map(|n| format!("{n:04}")).collect();
    ids.iter().for_each(|id| drop(temp.put(id, id.as_bytes())));
    let cache = temp.open();
    assert_eq!(listed(&cache), ids);
    drop(cache);
    ids.iter().step_by(2).try_for_each(|id| fs::remove_file(temp.path(id)))?;
    let cache = temp.open();
    assert_eq!(listed(&cache).len(), 1050);
    assert_eq!(temp.records_in_sync().len(), 1050);
    Ok(())
}

fn a_long_list_is_of_the_files_that_are_there_and_keeps_none_open(temp: &TempCache) -> Tested {
    let ids: Vec<String> = (0..2100).map(|n| format!("{n:04}")).collect();
    ids.iter().for_each(|id| drop(temp.put(id, id.as_bytes())));
    let cache = temp.open();
    let (gone, left): (Vec<_>, Vec<_>) = ids.iter().partition(|id| id.ends_with('7'));
    gone.into_iter().try_for_each(|id| fs::remove_file(temp.path(id)))?;
    temp.put("1234", b"another size");
    let list: Vec<(String, u64)> =
        cache.cached_images()?.iter().map(|i| (i.image_id.to_string(), i.size)).collect();
    let size = |id: &str| if id == "1234" { 12 } else { 4 };
    assert_eq!(list, left.iter().map(|id| (id.to_string(), size(id))).collect::<Vec<_>>());
    let bytes = left.iter().map(|id| size(id)).sum();
    assert_eq!(cache.cache_size()?, CacheSize { images: left.len() as u64, bytes });
    // An evicted image frees its space at once.
    let is_image = |path: &Path| left.iter().any(|id| path == temp.path(id));
    let open = fs::read_dir("/proc/self/fd")?
        .filter_map(|file| fs::read_link(file.ok()?.path()).ok())
        .filter(|path| is_image(path));
    assert_eq!(open.count(), 0);
    Ok(())
}

#[test]
fn a_directory_that_glance_filled_with_sqlite_keeps_hits_and_ages() -> Tested {
    let temp = TempCache::new("sqlite");
    set_times(&temp.put("a", b"image"), after_1970(MODIFIED), after_1970(MODIFIED))?;
    temp.put("image_cache_db_init", b"");
    // As Glance writes it: the record has the time of its commit, after the last byte was written, and no checksum.
    temp.database().execute_batch(&format!(
        "CREATE TABLE cached_images (image_id TEXT PRIMARY KEY, last_accessed REAL DEFAULT 0.0,
            last_modified REAL DEFAULT 0.0, size INTEGER DEFAULT 0, hits INTEGER DEFAULT 0, checksum TEXT);
         INSERT INTO cached_images VALUES ('a', {}, {}, 5, 7, NULL), ('gone', 1.0, 1.0, 5, 1, NULL)",
        ACCESSED as f64 / 1e6,
        (MODIFIED + 20_000) as f64 / 1e6,
    ))?;
    let cache = temp.open();
    let record = cache.cached_image("a")?.ok_or("it is Glance's")?;
    assert_eq!((record.size, record.hits, record.checksum), (5, 7, None));
    assert_eq!(
        (record.last_accessed, record.last_modified),
        (after_1970(ACCESSED), after_1970(MODIFIED))
    );
    assert_eq!(listed(&cache), ["a"]);
    serve(&cache, "a")?;
    assert_eq!(temp.records_in_sync()["a"].hits, 8);
    assert!(temp.path("image_cache_db_init").exists());
    Ok(())
}

#[test]
fn a_directory_that_glance_filled_with_attributes_keeps_hits_and_ages() -> Tested {
    let temp = TempCache::new("xattr");
    for (id, hits) in [("a", "3"), ("garbage", "many"), ("negative", "-1"), ("empty", "")] {
        let file = temp.put(id, b"image");
        xattr::set(&file, "user.hits", hits.as_bytes())?;
        set_times(&file, after_1970(ACCESSED), after_1970(MODIFIED))?;
    }
    let cache = temp.open();
    assert_eq!(listed(&cache), ["a", "empty", "garbage", "negative"]);
    let record = cache.cached_image("a")?.ok_or("it is Glance's")?;
    assert_eq!((record.size, record.hits, record.checksum), (5, 3, None));
    assert_eq!(
        (record.last_accessed, record.last_modified),
        (after_1970(ACCESSED), after_1970(MODIFIED))
    );
    for id in ["a", "garbage", "negative", "empty"] {
        serve(&cache, id)?;
    }
    assert_eq!((cache.hit_count("a")?, cache.hit_count("garbage")?), (4, 1));
    Ok(())
}
