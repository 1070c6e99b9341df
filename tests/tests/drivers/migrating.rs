//! Migration of records from one driver to another: no hit is lost, and no other process may have the cache open.

use image_cache::{CachedImage, Config, Error, ImageCache, migrate};
use image_cache_tests::components::{Trial, faulty};
use image_cache_tests::{TempCache, Tested, fill, listed, say_and_wait, serve, wait_for};
use std::collections::BTreeSet;

fn config(temp: &TempCache, driver: &str) -> Config {
    Config::builder(temp.dir()).driver(driver).build().expect("a valid configuration")
}

fn open(temp: &TempCache, driver: &str) -> ImageCache {
    let cache = ImageCache::open(config(temp, driver)).expect("the cache opens");
    assert_eq!(cache.driver().fallback, None);
    cache
}

fn records(cache: &ImageCache) -> Vec<CachedImage> {
    cache.cached_images().expect("the records can be read")
}

/// Some images with different numbers of reads.
fn filled(temp: &TempCache, driver: &str) -> Tested<Vec<CachedImage>> {
    let cache = open(temp, driver);
    for (id, reads) in [("a", 3), ("b", 0), ("ünï code", 1)] {
        fill(&cache, id, id.repeat(1000).as_bytes());
        for _ in 0..reads {
            serve(&cache, id)?;
        }
    }
    Ok(records(&cache))
}

#[test]
fn there_and_back_no_hit_time_or_checksum_is_lost() -> Tested {
    for (from, to) in [("sqlite", "xattr"), ("xattr", "sqlite")] {
        let temp = TempCache::new("sqlite");
        let before = filled(&temp, from)?;
        assert_eq!(before.iter().map(|record| record.hits).collect::<Vec<_>>(), [3, 0, 1]);
        assert!(before.iter().all(|record| record.checksum.is_some()));
        let there = migrate(&config(&temp, from), from, to, |_| ())?;
        assert_eq!((there.images, there.hits), (3, 4));
        assert_eq!((there.adopted, there.left_out, there.forgotten), (0, 0, 0));
        let cache = open(&temp, to);
        assert_eq!(records(&cache), before, "{from} to {to}");
        serve(&cache, "b")?;
        drop(cache);
        migrate(&config(&temp, from), to, from, |_| ())?;
        let cache = open(&temp, from);
        assert_eq!(cache.hit_count("b")?, 1, "{to} back to {from}");
        assert_eq!(cache.hit_count("a")?, 3);
    }
    Ok(())
}

#[test]
fn records_without_a_file_stay_behind_and_the_old_records_are_only_read() -> Tested {
    let temp = TempCache::new("sqlite");
    filled(&temp, "sqlite")?;
    std::fs::remove_file(temp.path("a"))?;
    temp.put("stray", b"no record of it");
    let old = temp.records();
    let migrated = migrate(&config(&temp, "sqlite"), "sqlite", "xattr", |_| ())?;
    assert_eq!((migrated.images, migrated.left_out, migrated.adopted), (3, 1, 1));
    assert_eq!(temp.records(), old);
    assert!(old.contains_key("a") && !old.contains_key("stray"));
    let cache = open(&temp, "xattr");
    assert_eq!(listed(&cache), ["b", "stray", "ünï code"]);
    assert_eq!(cache.hit_count("ünï code")?, 1);
    drop(cache);
    // The migration back finds one surplus record in the old records.
    let back = migrate(&config(&temp, "sqlite"), "xattr", "sqlite", |_| ())?;
    assert_eq!((back.images, back.forgotten), (3, 1));
    assert_eq!(temp.records_in_sync().into_keys().collect::<BTreeSet<_>>().len(), 3);
    Ok(())
}

#[test]
fn more_records_than_a_page_are_moved() -> Tested {
    let temp = TempCache::in_memory("sqlite");
    for number in 0..2345 {
        temp.put(&format!("image-{number:04}"), b"");
    }
    drop(open(&temp, "sqlite"));
    let hits = "UPDATE cached_images SET hits = CAST(substr(image_id, 7) AS INTEGER)";
    temp.database().execute(hits, [])?;
    let mut heard = Vec::new();
    let migrated = migrate(&config(&temp, "sqlite"), "sqlite", "xattr", |n| heard.push(n))?;
    assert_eq!((migrated.images, migrated.hits), (2345, 2344 * 2345 / 2));
    assert_eq!(heard, [1000, 2000, 2345]);
    assert_eq!(open(&temp, "xattr").hit_count("image-1234")?, 1234);
    Ok(())
}

#[test]
fn a_cache_in_use_here_or_elsewhere_is_left_alone() -> Tested {
    if let Some(temp) = TempCache::of_parent() {
        let _cache = temp.open();
        return say_and_wait("open");
    }
    let temp = TempCache::new("sqlite");
    filled(&temp, "sqlite")?;
    let attempt = || migrate(&config(&temp, "sqlite"), "sqlite", "xattr", |_| ());
    let cache = open(&temp, "sqlite");
    let reader = cache.open_for_read("a")?;
    drop(cache);
    // An open reader has a hit to count.
    assert!(matches!(attempt(), Err(Error::InUse { .. })));
    drop(reader);
    let name = "migrating::a_cache_in_use_here_or_elsewhere_is_left_alone";
    let mut child = temp.in_child(name)?.spawn()?;
    wait_for(&mut child, "open")?;
    let refused = attempt().expect_err("another process has the cache open");
    assert!(matches!(refused, Error::InUse { .. }), "{refused}");
    child.kill()?;
    child.wait()?;
    assert_eq!(attempt()?.images, 3, "a killed process no longer has it open");
    Ok(())
}

#[test]
fn the_wrong_driver_is_refused_by_name() -> Tested {
    let temp = TempCache::new("sqlite");
    filled(&temp, "sqlite")?;
    let refused = |from: &str, to: &str| {
        let error = migrate(&config(&temp, "sqlite"), from, to, |_| ());
        error.expect_err("it is refused").to_string()
    };
    assert!(refused("xattr", "sqlite").contains("xattr has no record of any image"));
    assert!(refused("sqlite", "SQLite").contains("one and the same driver"));
    assert!(refused("sqlite", "nobody").contains("no driver has this name"));
    assert_eq!(open(&temp, "sqlite").hit_count("a")?, 3);
    Ok(())
}

#[test]
fn records_that_differ_from_the_written_ones_are_detected() -> Tested {
    for (fault, export, words) in [
        ("foreign-image", "get-cached-images", "the new records differ from what was written"),
        ("error-other", "record-cached", "cannot record an image"),
        ("trap", "get-cached-images", "cannot list images"),
    ] {
        let trial = Trial::new();
        let temp = TempCache::at("sqlite", trial.dir());
        filled(&temp, "sqlite")?;
        let old = temp.records();
        let config = trial.config(faulty(&[("fault", fault), ("in", export)])).build()?;
        let error = migrate(&config, "sqlite", "tried", |_| ());
        let error = error.expect_err("it is found out").to_string();
        assert!(error.contains(words), "{fault} in {export}: {error}");
        assert_eq!(temp.records(), old, "the old records are unchanged");
    }
    Ok(())
}
