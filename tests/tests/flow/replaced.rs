//! What others do to the directory while the cache is open: a database that is gone or another one, files put there or taken away by hand.

use image_cache::ImageCache;
use image_cache_tests::{Place, Tested, bytes, fill, listed, serve, until, with_both_drivers};
use std::fs;
use std::path::Path;

with_both_drivers![
    a_database_that_is_removed_while_the_cache_is_open_is_made_anew,
    a_database_that_is_replaced_while_the_cache_is_open_is_brought_into_step,
    all_that_have_the_cache_open_go_on_with_the_new_database,
    hits_are_counted_in_the_new_database,
    a_file_put_in_by_hand_while_the_cache_is_open_is_listed,
    a_file_taken_away_by_hand_while_the_cache_is_open_is_forgotten,
    looking_after_changes_is_enough,
];

const FILES: [&str; 3] = ["cache.db", "cache.db-wal", "cache.db-shm"];

fn remove(place: &Place, names: &[&str]) {
    for name in names {
        let _ = fs::remove_file(place.path(name));
    }
}

/// A cache with two images.
fn filled(place: &Place) -> Tested<ImageCache> {
    let cache = place.open_with(|config| config.max_size(20_000));
    fill(&cache, "a", &bytes(1, 5000));
    fill(&cache, "b", &bytes(2, 5000));
    serve(&cache, "a")?;
    Ok(cache)
}

type Use = fn(&ImageCache) -> Tested;

/// What may be done first once the database is gone.
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

fn a_database_that_is_removed_while_the_cache_is_open_is_made_anew(place: &Place) -> Tested {
    for names in [&FILES[..], &FILES[..1], &FILES[..2]] {
        for (name, first) in USES {
            let cache = filled(place)?;
            remove(place, names);
            first(&cache).map_err(|error| format!("{name}, {names:?}: {error}"))?;
            assert_eq!(listed(&cache), ["a", "b"], "{name}, {names:?}");
            assert!(serve(&cache, "b")? == bytes(2, 5000));
            fill(&cache, "large", &bytes(3, 15_000));
            assert_eq!(cache.prune()?.images, 1, "{name}, {names:?}");
            assert_eq!((cache.driver().fallback, listed(&cache).len()), (None, 2));
            place.records_in_sync();
            cache.delete_all_cached_images()?;
        }
    }
    Ok(())
}

fn a_database_that_is_replaced_while_the_cache_is_open_is_brought_into_step(
    place: &Place,
) -> Tested {
    let cache = filled(place)?;
    let other = Place::new(place.driver());
    fill(&other.open(), "stranger", b"image");
    for content in [fs::read(other.path("cache.db")).unwrap_or_default(), Vec::new()] {
        if place.driver() == "sqlite" {
            fs::write(place.path("cache.new"), content)?;
            fs::rename(place.path("cache.new"), place.path("cache.db"))?;
            remove(place, &FILES[1..]);
        }
        assert_eq!(listed(&cache), ["a", "b"]);
        assert!(serve(&cache, "a")? == bytes(1, 5000));
        assert_eq!((cache.hit_count("b")?, cache.driver().fallback.clone()), (0, None));
        place.records_in_sync();
    }
    Ok(())
}

fn all_that_have_the_cache_open_go_on_with_the_new_database(place: &Place) -> Tested {
    let caches = [filled(place)?, place.open(), place.open()];
    for cache in &caches {
        assert_eq!(listed(cache), ["a", "b"]);
    }
    for round in 0..3 {
        remove(place, &FILES[..1 + round]);
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
    assert_eq!(place.records_in_sync().len(), 11);
    Ok(())
}

fn hits_are_counted_in_the_new_database(place: &Place) -> Tested {
    let cache = filled(place)?;
    remove(place, &FILES);
    for _ in 0..3 {
        serve(&cache, "b")?;
    }
    assert_eq!(cache.hit_count("b")?, 3);
    Ok(())
}

fn a_file_put_in_by_hand_while_the_cache_is_open_is_listed(place: &Place) -> Tested {
    let cache = filled(place)?;
    place.put("by-hand", b"an image");
    assert!(until(|| listed(&cache) == ["a", "b", "by-hand"]), "{:?}", listed(&cache));
    assert_eq!(serve(&cache, "by-hand")?, b"an image");
    assert_eq!(cache.hit_count("by-hand")?, 1);
    // In the place of another one.
    place.put("incoming", b"another image");
    fs::rename(place.path("incoming"), place.path("by-hand"))?;
    let size = |cache: &ImageCache| cache.cached_image("by-hand").ok().flatten().map(|it| it.size);
    assert!(until(|| listed(&cache).len() == 3 && size(&cache) == Some(13)));
    place.records_in_sync();
    Ok(())
}

fn a_file_taken_away_by_hand_while_the_cache_is_open_is_forgotten(place: &Place) -> Tested {
    let cache = filled(place)?;
    fs::remove_file(place.path("a"))?;
    assert_eq!(listed(&cache), ["b"]);
    assert!(until(|| listed(&cache) == ["b"] && place.records().len() == 1));
    place.records_in_sync();
    Ok(())
}

fn looking_after_changes_is_enough(place: &Place) -> Tested {
    let cache = filled(place)?;
    remove(place, &FILES);
    place.put("by-hand", b"an image");
    let is_made = |path: &Path| place.driver() != "sqlite" || path.is_file();
    let look = || {
        cache.reconcile_external_changes();
        is_made(&place.path("cache.db")) && place.records().len() == 3
    };
    assert!(until(look));
    place.records_in_sync();
    Ok(())
}
