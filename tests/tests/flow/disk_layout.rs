//! The layout on disk after an image was cached: owners, modes and formats.

use image_cache::Expected;
use image_cache_tests::{
    TempCache, Tested, bytes, fill, is_root, md5_hex, read_all, serve, with_both_drivers,
};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

with_both_drivers![
    new_files_belong_to_the_owner_of_the_base_directory,
    users_who_may_not_read_the_base_directory_may_not_read_its_files,
    a_clean_close_leaves_no_side_files,
    the_record_has_the_times_of_the_file,
];

/// Owner, group and mode of everything below the base directory, by its path.
fn everything(temp: &TempCache) -> Vec<(String, u32, u32, u32)> {
    let mut found = Vec::new();
    let mut folders = vec![temp.dir().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("it can be listed") {
            let path = entry.expect("it can be listed").path();
            let metadata = fs::symlink_metadata(&path).expect("it is there");
            let name = path.strip_prefix(temp.dir()).expect("it lies below").display().to_string();
            found.push((name, metadata.uid(), metadata.gid(), metadata.mode() & 0o7777));
            if metadata.is_dir() {
                folders.push(path);
            }
        }
    }
    found
}

fn use_everything(temp: &TempCache) -> Tested {
    let cache = temp.open();
    fill(&cache, "cached", &bytes(1, 1000));
    serve(&cache, "cached")?;
    cache.queue_image("queued")?;
    let failed = cache.caching_reader("broken", &b"image"[..], Expected::nothing().with_size(4))?;
    assert!(read_all(failed).is_err());
    // Without a clean close, so that files that exist only while the cache is open are also checked.
    let _writer = cache.caching_reader("coming", &b"image"[..], Expected::nothing())?;
    let names: Vec<String> = everything(temp).into_iter().map(|found| found.0).collect();
    for name in
        ["cached", "queue/queued", "invalid/broken", "incomplete/coming", ".image-cache/lock"]
    {
        assert!(names.iter().any(|found| found == name), "{name} is missing in {names:?}");
    }
    assert_eq!(names.iter().any(|name| name == "cache.db"), temp.driver() == "sqlite");
    let base = fs::metadata(temp.dir())?;
    for (name, user, group, mode) in everything(temp) {
        assert_eq!((user, group), (base.uid(), base.gid()), "{name}");
        let most =
            if temp.path(&name).is_dir() { base.mode() & 0o777 } else { base.mode() & 0o666 };
        assert_eq!(
            mode & !most,
            0,
            "{name} has mode {mode:o}, the base directory {:o}",
            base.mode()
        );
        assert_eq!(mode & 0o600, 0o600, "{name} has mode {mode:o}");
    }
    Ok(())
}

fn new_files_belong_to_the_owner_of_the_base_directory(temp: &TempCache) -> Tested {
    if !is_root("giving a directory to another user") {
        return Ok(());
    }
    fs::create_dir(temp.dir())?;
    chown(temp.dir(), Some(12_345), Some(23_456))?;
    fs::set_permissions(temp.dir(), fs::Permissions::from_mode(0o770))?;
    use_everything(temp)?;
    for (name, _, _, mode) in everything(temp) {
        let is_dir = temp.path(&name).is_dir();
        let expected = if is_dir { 0o770 } else { 0o660 };
        // Files that only the cache uses may be inaccessible to the group.
        if !name.starts_with(".image-cache") {
            assert_eq!(mode, expected, "{name} has mode {mode:o}");
        }
    }
    Ok(())
}

fn users_who_may_not_read_the_base_directory_may_not_read_its_files(temp: &TempCache) -> Tested {
    fs::create_dir(temp.dir())?;
    fs::set_permissions(temp.dir(), fs::Permissions::from_mode(0o700))?;
    use_everything(temp)
}

fn a_clean_close_leaves_no_side_files(temp: &TempCache) -> Tested {
    let cache = temp.open();
    fill(&cache, "a", b"image");
    serve(&cache, "a")?;
    drop(cache);
    let mut expected = vec![".image-cache", "a", "incomplete", "invalid", "queue"];
    if temp.driver() == "sqlite" {
        expected.insert(2, "cache.db");
    }
    assert_eq!(temp.names("").into_iter().collect::<Vec<_>>(), expected);
    Ok(())
}

fn the_record_has_the_times_of_the_file(temp: &TempCache) -> Tested {
    let (cache, before) = (temp.open(), SystemTime::now() - Duration::from_secs(1));
    fill(&cache, "a", b"image");
    let record = cache.cached_image("a")?.ok_or("it was cached")?;
    let micros = record.last_modified.duration_since(UNIX_EPOCH)?.as_micros();
    assert_eq!(micros, temp.images()["a"].modified.into());
    for time in [record.last_modified, record.last_accessed] {
        assert!(before < time && time <= SystemTime::now());
    }
    serve(&cache, "a")?;
    let served = cache.cached_image("a")?.ok_or("it was cached")?;
    assert!(served.last_accessed > record.last_accessed);
    assert_eq!(served.last_modified, record.last_modified);
    Ok(())
}

#[test]
fn glance_finds_its_own_table_in_a_directory_that_sqlite_filled() -> Tested {
    let temp = TempCache::new("sqlite");
    let cache = temp.open();
    fill(&cache, "a", b"image");
    serve(&cache, "a")?;
    drop(cache);
    let database = temp.database();
    let mut columns =
        database.prepare("SELECT name, type, pk FROM pragma_table_info('cached_images')")?;
    let columns = columns
        .query_map([], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?))
        })?
        .collect::<Result<Vec<_>, _>>()?;
    let columns: Vec<_> =
        columns.iter().map(|(name, kind, key)| (name.as_str(), kind.as_str(), *key)).collect();
    let expected = [
        ("image_id", "TEXT", 1),
        ("last_accessed", "REAL", 0),
        ("last_modified", "REAL", 0),
        ("size", "INTEGER", 0),
        ("hits", "INTEGER", 0),
        ("checksum", "TEXT", 0),
    ];
    assert_eq!(columns, expected);
    let row = "SELECT image_id, typeof(last_accessed), typeof(last_modified), size, hits, checksum FROM cached_images";
    let row: (String, String, String, i64, i64, String) =
        database.query_row(row, [], |row| row.try_into())?;
    assert_eq!(row, ("a".into(), "real".into(), "real".into(), 5, 1, md5_hex(b"image")));
    Ok(())
}

#[test]
fn glance_finds_its_own_attribute_in_a_directory_that_xattr_filled() -> Tested {
    let temp = TempCache::new("xattr");
    let cache = temp.open();
    fill(&cache, "a", b"image");
    assert_eq!(xattr::get(temp.path("a"), "user.hits")?.as_deref(), Some(&b"0"[..]));
    for _ in 0..12 {
        serve(&cache, "a")?;
    }
    drop(cache);
    assert_eq!(xattr::get(temp.path("a"), "user.hits")?.as_deref(), Some(&b"12"[..]));
    let accessed = fs::metadata(temp.path("a"))?.accessed()?;
    assert!(
        accessed > fs::metadata(temp.path("a"))?.modified()?,
        "Glance takes the order from the access time"
    );
    Ok(())
}
