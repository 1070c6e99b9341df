//! Changes by other programs while the cache is open: a removed or replaced database, and added or removed files.

use image_cache::ImageCache;
use image_cache_tests::{TempCache, Tested, bytes, fill, listed, serve, until, with_both_drivers};
use std::fs;
use std::path::Path;

with_both_drivers![
    a_database_that_is_removed_while_the_cache_is_open_is_created_again,
    a_database_that_is_replaced_while_the_cache_is_open_is_brought_in_sync,
    all_processes_with_the_cache_open_continue_with_the_new_database,
    hits_are_counted_in_the_new_database,
    a_file_put_in_by_hand_while_the_cache_is_open_is_listed,
    a_file_taken_away_by_hand_while_the_cache_is_open_is_forgotten,
    looking_after_changes_is_enough,
];

const FILES: [&str; 3] = ["cache.db", "cache.db-wal", "cache.db-shm"];

fn remove(temp: &TempCache, names: &[&str]) {
    for name in names {
        let _ = fs::remove_file(temp.path(name));
    }
}

/// A cache with two images.
fn filled(temp: &TempCache) -> Tested<ImageCache> {
    let cache = temp.open_with(|config| config.max_size(20_000));
    fill(&cache, "a", &bytes(1, 5000));
    fill(&cache, "b", &bytes(2, 5000));
    serve(&cache, "a")?;
    Ok(cache)
}

type Use = fn(&ImageCache) -> Tested;

/// The first operation after the database was removed.
const USES: [(&str, Use); 6] = [
    ("list", |cache| {
        assert_eq!(listed(cache), ["a", "b"]);
        Ok(())
    }),
    ("hit", |cache| {
        assert!(serve(cache, "a")? == bytes(1, 5000));
        Ok(())
    }),
    ("show", |cache| {
        assert_eq!(cache.cached_image("b")?.ok_or("it is cached")?.size, 5000);
        Ok(())
    }),
    ("prune", |cache| {
        assert_eq!(cache.prune()?.images, 0);
        Ok(())
    }),
    ("fill", |cache| {
        fill(cache, "c", &bytes(3, 5000));
        cache.delete_cached_image("c")?;
        Ok(())
    }),
    ("delete", |cache| {
        assert!(!cache.delete_cached_image("c")?);
        Ok(())
    }),
];

fn a_database_that_is_removed_while_the_cache_is_open_is_created_again(temp: &TempCache) -> Tested {
    for names in [&FILES[..], &FILES[..1], &FILES[..2]] {
        for (name, first) in USES {
            let cache = filled(temp)?;
            remove(temp, names);
            first(&cache).map_err(|error| format!("{name}, {names:?}: {error}"))?;
            assert_eq!(listed(&cache), ["a", "b"], "{name}, {names:?}");
            assert!(serve(&cache, "b")? == bytes(2, 5000));
            fill(&cache, "large", &bytes(3, 15_000));
            assert_eq!(cache.prune()?.images, 1, "{name}, {names:?}");
            assert_eq!((cache.driver().fallback, listed(&cache).len()), (None, 2));
            temp.records_in_sync();
            cache.delete_all_cached_images()?;
        }
    }
    Ok(())
}

fn a_database_that_is_replaced_while_the_cache_is_open_is_brought_in_sync(
    temp: &TempCache,
) -> Tested {
    let cache = filled(temp)?;
    let other = TempCache::new(temp.driver());
    fill(&other.open(), "foreign", b"image");
    for content in [fs::read(other.path("cache.db")).unwrap_or_default(), Vec::new()] {
        if temp.driver() == "sqlite" {
            fs::write(temp.path("cache.new"), content)?;
            fs::rename(temp.path("cache.new"), temp.path("cache.db"))?;
            remove(temp, &FILES[1..]);
        }
        assert_eq!(listed(&cache), ["a", "b"]);
        assert!(serve(&cache, "a")? == bytes(1, 5000));
        assert_eq!((cache.hit_count("b")?, cache.driver().fallback.clone()), (0, None));
        temp.records_in_sync();
    }
    Ok(())
}

fn all_processes_with_the_cache_open_continue_with_the_new_database(temp: &TempCache) -> Tested {
    let caches = [filled(temp)?, temp.open(), temp.open()];
    for cache in &caches {
        assert_eq!(listed(cache), ["a", "b"]);
    }
    for round in 0..3 {
        remove(temp, &FILES[..1 + round]);
        for (n, cache) in caches.iter().enumerate() {
            let id = format!("{round}-{n}");
            fill(cache, &id, b"image");
            assert!(listed(cache).contains(&id), "round {round}, cache {n}");
            assert!(serve(cache, "a")? == bytes(1, 5000));
        }
        for cache in &caches {
            assert_eq!(listed(cache).len(), 2 + 3 * (round + 1), "round {round}");
        }
    }
    drop(caches);
    assert_eq!(temp.records_in_sync().len(), 11);
    Ok(())
}

fn hits_are_counted_in_the_new_database(temp: &TempCache) -> Tested {
    let cache = filled(temp)?;
    remove(temp, &FILES);
    for _ in 0..3 {
        serve(&cache, "b")?;
    }
    assert_eq!(cache.hit_count("b")?, 3);
    Ok(())
}

fn a_file_put_in_by_hand_while_the_cache_is_open_is_listed(temp: &TempCache) -> Tested {
    let cache = filled(temp)?;
    temp.put("by-hand", b"an image");
    assert!(until(|| listed(&cache) == ["a", "b", "by-hand"]), "{:?}", listed(&cache));
    assert_eq!(serve(&cache, "by-hand")?, b"an image");
    assert_eq!(cache.hit_count("by-hand")?, 1);
    // A file that replaces another one.
    temp.put("incoming", b"another image");
    fs::rename(temp.path("incoming"), temp.path("by-hand"))?;
    let size = |cache: &ImageCache| cache.cached_image("by-hand").ok().flatten().map(|it| it.size);
    assert!(until(|| listed(&cache).len() == 3 && size(&cache) == Some(13)));
    temp.records_in_sync();
    Ok(())
}

fn a_file_taken_away_by_hand_while_the_cache_is_open_is_forgotten(temp: &TempCache) -> Tested {
    let cache = filled(temp)?;
    fs::remove_file(temp.path("a"))?;
    assert_eq!(listed(&cache), ["b"]);
    assert!(until(|| listed(&cache) == ["b"] && temp.records().len() == 1));
    temp.records_in_sync();
    Ok(())
}

fn looking_after_changes_is_enough(temp: &TempCache) -> Tested {
    let cache = filled(temp)?;
    remove(temp, &FILES);
    temp.put("by-hand", b"an image");
    let is_made = |path: &Path| temp.driver() != "sqlite" || path.is_file();
    let look = || {
        cache.reconcile_external_changes();
        is_made(&temp.path("cache.db")) && temp.records().len() == 3
    };
    assert!(until(look));
    temp.records_in_sync();
    Ok(())
}
