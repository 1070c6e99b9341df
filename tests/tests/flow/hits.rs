//! Hits: which are counted, when they are written, and which events they survive.

use image_cache::ImageCache;
use image_cache_tests::{
    TempCache, Tested, fill, md5_hex, say_and_wait, serve, until, wait_for, with_both_drivers,
};
use std::time::Duration;

with_both_drivers![
    hits_survive_reopening,
    hits_survive_a_kill,
    gathered_hits_are_written_by_a_flush,
    gathered_hits_are_written_by_themselves,
    gathered_hits_are_written_when_the_cache_is_dropped,
    the_hits_of_a_deleted_image_are_not_its_successor_s,
];

/// Longer than any test.
const LONG: Duration = Duration::from_secs(3000);

fn hits_survive_reopening(temp: &TempCache) -> Tested {
    let cache = temp.open();
    fill(&cache, "a", b"image");
    serve(&cache, "a")?;
    serve(&cache, "a")?;
    let accessed = cache.cached_image("a")?.ok_or("it was cached")?.last_accessed;
    drop(cache);
    let cache = temp.open();
    let record = cache.cached_image("a")?.ok_or("it was cached")?;
    assert_eq!((record.hits, record.last_accessed), (2, accessed));
    serve(&cache, "a")?;
    assert_eq!(cache.hit_count("a")?, 3);
    Ok(())
}

/// Runs as another process, which the test kills.
#[test]
fn a_reader_that_waits_to_be_killed() -> Tested {
    let Some(temp) = TempCache::of_parent() else { return Ok(()) };
    let cache = temp.open();
    fill(&cache, "a", b"image");
    (0..3).try_for_each(|_| serve(&cache, "a").map(drop))?;
    say_and_wait("served")
}

fn hits_survive_a_kill(temp: &TempCache) -> Tested {
    let mut child = temp.in_child("hits::a_reader_that_waits_to_be_killed")?.spawn()?;
    wait_for(&mut child, "served")?;
    child.kill()?;
    child.wait()?;
    let cache = temp.open();
    assert_eq!((cache.hit_count("a")?, serve(&cache, "a")?), (3, b"image".to_vec()));
    assert_eq!(temp.records_in_sync()["a"].checksum, Some(md5_hex(b"image")));
    Ok(())
}

fn gathered_hits_are_written_by_a_flush(temp: &TempCache) -> Tested {
    let cache = temp.open_with(|config| config.hit_delay(LONG));
    fill(&cache, "a", b"image");
    serve(&cache, "a")?;
    serve(&cache, "a")?;
    assert_eq!(temp.records()["a"].hits, 0, "gathered, not written");
    cache.flush()?;
    assert_eq!(temp.records()["a"].hits, 2);
    serve(&cache, "a")?;
    assert_eq!(cache.hit_count("a")?, 3, "this process nevertheless knows the hit");
    Ok(())
}

fn gathered_hits_are_written_by_themselves(temp: &TempCache) -> Tested {
    let cache = temp.open_with(|config| config.hit_delay(Duration::from_millis(20)));
    fill(&cache, "a", b"image");
    for hits in 1..=2 {
        serve(&cache, "a")?;
        assert!(until(|| temp.records()["a"].hits == hits), "hit {hits}");
    }
    Ok(())
}

fn gathered_hits_are_written_when_the_cache_is_dropped(temp: &TempCache) -> Tested {
    let cache = temp.open_with(|config| config.hit_delay(LONG));
    fill(&cache, "a", b"image");
    let clone = cache.clone();
    serve(&cache, "a")?;
    drop(cache);
    serve(&clone, "a")?;
    drop(clone);
    assert_eq!(temp.records_in_sync()["a"].hits, 2);
    Ok(())
}

fn the_hits_of_a_deleted_image_are_not_its_successor_s(temp: &TempCache) -> Tested {
    let cache = temp.open_with(|config| config.hit_delay(LONG));
    let one = |cache: &ImageCache| cache.delete_cached_image("a").map(u64::from);
    let all = |cache: &ImageCache| cache.delete_all_cached_images();
    for remove in [one, all] {
        fill(&cache, "a", b"image");
        serve(&cache, "a")?;
        assert_eq!(remove(&cache)?, 1);
        fill(&cache, "a", b"another");
        assert_eq!(cache.hit_count("a")?, 0);
        cache.delete_cached_image("a")?;
    }
    Ok(())
}

#[test]
fn records_that_cannot_be_written_fail_no_read_and_lose_no_hit() -> Tested {
    let temp = TempCache::new("sqlite");
    let cache = temp.open();
    fill(&cache, "a", b"image");
    temp.database().execute_batch("ALTER TABLE cached_images RENAME TO elsewhere")?;
    assert_eq!((serve(&cache, "a")?, serve(&cache, "a")?), (b"image".to_vec(), b"image".to_vec()));
    temp.database().execute_batch(
        "DROP TABLE IF EXISTS cached_images; ALTER TABLE elsewhere RENAME TO cached_images",
    )?;
    assert_eq!(serve(&cache, "a")?, b"image");
    cache.flush()?;
    assert_eq!(temp.records_in_sync()["a"].hits, 3);
    Ok(())
}
