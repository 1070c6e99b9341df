//! The sqlite driver's database: a corrupt one is quarantined and rebuilt; a valid one with another schema is not changed.

use image_cache::{Config, Error, ImageCache};
use image_cache_tests::components::{Trial, assert_no_fallback, assert_works, open};
use image_cache_tests::{Tested, bytes, fill, listed, serve};
use rusqlite::Connection;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};

/// More records than fit into a page of the database.
const IMAGES: usize = 300;

fn config(trial: &Trial) -> image_cache::ConfigBuilder {
    Config::builder(trial.dir())
}

/// Fills a cache and closes it; returns the ids in order.
fn filled(trial: &Trial, images: usize) -> Vec<String> {
    let cache = open(config(trial));
    let ids: Vec<String> = (0..images).map(|n| format!("image-{n:04}")).collect();
    for id in &ids {
        fill(&cache, id, id.as_bytes());
    }
    ids
}

/// The quarantined databases.
fn set_aside(trial: &Trial) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(trial.path(".image-cache"))? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("cache.db") {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Asserts that the records were rebuilt from the directory, and that the bad database is kept.
fn assert_rebuilt(trial: &Trial, cache: &ImageCache, ids: &[String], bad: &[u8]) -> Tested {
    assert_no_fallback(cache);
    assert_eq!(listed(cache), ids);
    assert_eq!(serve(cache, &ids[1])?, ids[1].as_bytes());
    assert_works(cache);
    let aside = set_aside(trial)?;
    let kept = aside.iter().any(|path| fs::read(path).is_ok_and(|content| content == bad));
    assert!(kept, "the database as it was is not among {aside:?}");
    assert_eq!(integrity(&trial.path("cache.db"))?, "ok");
    Ok(())
}

fn integrity(database: &Path) -> rusqlite::Result<String> {
    Connection::open(database)?.query_row("PRAGMA integrity_check", [], |row| row.get(0))
}

fn refusal(config: image_cache::ConfigBuilder) -> Tested<(String, String, String)> {
    match ImageCache::open(config.build()?) {
        Err(Error::NoDriver { configured, reason, fallback }) => {
            let fallback = fallback.map(|error| error.to_string()).unwrap_or_default();
            Ok((configured, reason.to_string(), fallback))
        }
        other => Err(format!("not refused because of the driver: {other:?}").into()),
    }
}

#[test]
fn a_text_in_the_place_of_the_database_is_set_aside_and_the_records_are_rebuilt() -> Tested {
    let trial = Trial::new();
    let ids = filled(&trial, 3);
    let text = b"This was a database once, and is a text now. ".repeat(100);
    fs::write(trial.path("cache.db"), &text)?;
    assert_rebuilt(&trial, &open(config(&trial)), &ids, &text)
}

#[test]
fn a_database_with_garbage_in_the_middle_is_set_aside_and_rebuilt_with_every_image() -> Tested {
    let trial = Trial::new();
    let ids = filled(&trial, IMAGES);
    let path = trial.path("cache.db");
    let size = fs::metadata(&path)?.len();
    assert!(size > 5 * 4096, "the database has only {size} bytes");
    let garbage = bytes(13, usize::try_from(size)? - 4096);
    File::options().write(true).open(&path)?.write_all_at(&garbage, 4096)?;
    let bad = fs::read(&path)?;
    assert_rebuilt(&trial, &open(config(&trial)), &ids, &bad)
}

#[test]
fn a_database_that_was_cut_off_is_set_aside_and_rebuilt() -> Tested {
    let trial = Trial::new();
    let ids = filled(&trial, IMAGES);
    let path = trial.path("cache.db");
    let file = File::options().write(true).open(&path)?;
    file.set_len(2 * 4096)?;
    let bad = fs::read(&path)?;
    assert_rebuilt(&trial, &open(config(&trial)), &ids, &bad)
}

#[test]
fn an_empty_database_is_no_corrupt_one() -> Tested {
    let trial = Trial::new();
    let ids = filled(&trial, 3);
    fs::write(trial.path("cache.db"), b"")?;
    let cache = open(config(&trial));
    assert_no_fallback(&cache);
    assert_eq!(listed(&cache), ids);
    assert!(set_aside(&trial)?.is_empty(), "{:?}", set_aside(&trial)?);
    Ok(())
}

#[test]
fn a_database_that_becomes_corrupt_while_it_is_open_is_rebuilt_and_every_image_is_served() -> Tested
{
    let trial = Trial::new();
    let ids = filled(&trial, IMAGES);
    let cache = open(config(&trial));
    let path = trial.path("cache.db");
    let size = usize::try_from(fs::metadata(&path)?.len())?;
    File::options().write(true).open(&path)?.write_all_at(&bytes(17, size - 4096), 4096)?;
    for id in &ids {
        assert_eq!(serve(&cache, id)?, id.as_bytes());
    }
    // SQLite does not read pages again that it has in memory: a new record forces it to read.
    for n in 0..20 {
        fill(&cache, &format!("new-{n:02}"), b"bytes");
    }
    drop(cache);
    let cache = open(config(&trial));
    assert_no_fallback(&cache);
    assert_eq!(listed(&cache).len(), IMAGES + 20);
    assert_eq!(integrity(&trial.path("cache.db"))?, "ok");
    assert_works(&cache);
    Ok(())
}

#[test]
fn a_sound_database_with_other_columns_is_refused_and_left_alone() -> Tested {
    let trial = Trial::new();
    fs::create_dir_all(trial.dir())?;
    let database = Connection::open(trial.path("cache.db"))?;
    database.execute_batch(
        "CREATE TABLE cached_images (image_id TEXT PRIMARY KEY, colour TEXT);
         INSERT INTO cached_images VALUES ('precious', 'blue');",
    )?;
    drop(database);
    let before = fs::read(trial.path("cache.db"))?;
    let (configured, reason, _) = refusal(config(&trial))?;
    assert_eq!(configured, "sqlite");
    assert!(reason.contains("colour") && reason.contains("last_accessed"), "{reason}");
    let colour: String = Connection::open(trial.path("cache.db"))?.query_row(
        "SELECT colour FROM cached_images WHERE image_id = 'precious'",
        [],
        |row| row.get(0),
    )?;
    assert_eq!(colour, "blue");
    assert_eq!(fs::read(trial.path("cache.db"))?.len(), before.len());
    assert!(set_aside(&trial)?.is_empty());
    Ok(())
}

#[test]
fn if_sqlite_cannot_take_over_both_reasons_are_reported() -> Tested {
    let trial = Trial::new();
    fs::create_dir_all(trial.dir())?;
    Connection::open(trial.path("cache.db"))?
        .execute_batch("CREATE TABLE cached_images (colour TEXT)")?;
    let (configured, reason, fallback_reason) = refusal(trial.config(trial.component("text")))?;
    assert_eq!(configured, "tried");
    assert!(reason.contains("it is text"), "{reason}");
    assert!(fallback_reason.contains("colour"), "{fallback_reason}");
    let error = ImageCache::open(trial.config(trial.component("text")).build()?)
        .map(drop)
        .map_err(|e| e.to_string());
    assert!(
        error.as_ref().is_err_and(|e| e.contains("it is text") && e.contains("colour")),
        "{error:?}"
    );
    Ok(())
}

#[test]
fn a_database_that_is_a_symbolic_link_leads_nowhere() -> Tested {
    let trial = Trial::new();
    fs::create_dir_all(trial.dir())?;
    let mut outside = File::create(trial.beside("outside.db"))?;
    outside.write_all(b"")?;
    symlink(trial.beside("outside.db"), trial.path("cache.db"))?;
    let (_, reason, _) = refusal(config(&trial))?;
    assert!(reason.contains("regular file"), "{reason}");
    assert_eq!(fs::metadata(trial.beside("outside.db"))?.len(), 0);
    assert!(fs::symlink_metadata(trial.path("cache.db"))?.is_symlink());
    Ok(())
}

#[test]
fn rows_that_no_image_can_have_are_removed_and_others_are_taken_as_they_are() -> Tested {
    let trial = Trial::new();
    filled(&trial, 5);
    let database = Connection::open(trial.path("cache.db"))?;
    database.execute_batch(
        "INSERT INTO cached_images (image_id, size, hits)
             SELECT value, 7, 1 FROM json_each('[\"queue\", \"incomplete\", \"invalid\", \"cache.db\",
                 \"cache.db-wal\", \"checkme\", \"image_cache_db_init\", \".x\", \"a/b\"]');
         INSERT INTO cached_images (image_id, size) VALUES (CAST(x'ff61' AS TEXT), 7);
         UPDATE cached_images SET hits = 1e300 WHERE image_id = 'image-0000';
         UPDATE cached_images SET size = 1e300 WHERE image_id = 'image-0001';
         UPDATE cached_images SET checksum = CAST(x'ff' AS TEXT) WHERE image_id = 'image-0002';
         UPDATE cached_images SET hits = 3, last_modified = CAST(x'ff' AS TEXT) WHERE image_id = 'image-0003';",
    )?;
    drop(database);
    let cache = open(config(&trial).max_size(40));
    assert_eq!(listed(&cache).len(), 5);
    assert_eq!(cache.hit_count("image-0000")?, i64::MAX.cast_unsigned());
    assert_eq!(serve(&cache, "image-0004")?, b"image-0004");
    assert_eq!(cache.hit_count("image-0004")?, 1);
    assert_eq!((cache.prune()?.images, listed(&cache).len()), (1, 4));
    assert_works(&cache);
    drop(cache);
    let database = Connection::open(trial.path("cache.db"))?;
    let rows: i64 =
        database.query_row("SELECT count(*) FROM cached_images", [], |row| row.get(0))?;
    assert_eq!(usize::try_from(rows)?, listed(&open(config(&trial))).len());
    Ok(())
}

#[test]
fn a_row_with_the_name_of_the_database_harms_neither_the_database_nor_the_records() -> Tested {
    let trial = Trial::new();
    let config = || config(&trial).sqlite_db("records.db");
    let cache = open(config());
    fill(&cache, "a", b"bytes");
    drop(cache);
    Connection::open(trial.path("records.db"))?.execute_batch(
        "INSERT INTO cached_images (image_id, size, last_accessed) VALUES ('records.db', 7, 1.0)",
    )?;
    let cache = open(config().max_size(0));
    assert_eq!(listed(&cache), ["a"]);
    cache.prune()?;
    assert!(listed(&cache).is_empty() && trial.path("records.db").exists());
    assert_works(&cache);
    Ok(())
}

/// Without a write-ahead log, as Glance creates it.
fn glance_s_database(trial: &Trial) -> Tested<Connection> {
    fs::create_dir_all(trial.dir())?;
    let database = Connection::open(trial.path("cache.db"))?;
    database.execute_batch(
        "CREATE TABLE cached_images (image_id TEXT PRIMARY KEY, last_accessed REAL,
             last_modified REAL, size INTEGER, hits INTEGER, checksum TEXT);
         INSERT INTO cached_images (image_id, hits) VALUES ('x', 1);",
    )?;
    Ok(database)
}

#[test]
fn a_database_in_which_another_process_writes_is_waited_for() -> Tested {
    let trial = Trial::new();
    let database = glance_s_database(&trial)?;
    database.execute_batch("BEGIN IMMEDIATE; UPDATE cached_images SET hits = 2")?;
    std::thread::scope(|scope| {
        let opening = scope.spawn(|| open(config(&trial)));
        // Longer than SQLite's own timeout.
        std::thread::sleep(std::time::Duration::from_millis(2500));
        database.execute_batch("COMMIT").expect("it is written");
        let cache = opening.join().expect("it opens");
        assert_no_fallback(&cache);
        assert_works(&cache);
    });
    Ok(())
}

#[test]
fn a_database_that_another_process_reads_is_no_obstacle() -> Tested {
    let trial = Trial::new();
    let database = glance_s_database(&trial)?;
    drop(open(config(&trial)));
    database.execute_batch("PRAGMA journal_mode = DELETE")?;
    let mut reading =
        database.prepare("SELECT * FROM cached_images UNION ALL SELECT 1,2,3,4,5,6")?;
    let mut rows = reading.query([])?;
    assert!(rows.next()?.is_some(), "it reads from now on");
    let cache = open(config(&trial));
    assert_no_fallback(&cache);
    assert!(listed(&cache).is_empty());
    Ok(())
}

#[test]
fn a_clean_end_leaves_no_side_files() -> Tested {
    let trial = Trial::new();
    filled(&trial, 5);
    for name in ["cache.db-wal", "cache.db-shm", "cache.db-journal"] {
        assert!(!trial.path(name).exists(), "{name} is left");
    }
    assert!(trial.path("cache.db").exists());
    Ok(())
}
