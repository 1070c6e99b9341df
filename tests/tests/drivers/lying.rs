//! Drivers that return invalid results: every operation ends, and nothing outside of the cache is changed.

use image_cache::{Config, ImageCache};
use image_cache_tests::components::{TRIED, Trial, assert_fell_back, assert_works, faulty};
use image_cache_tests::{Tested, bytes, fill, listed, serve};
use std::fs;

/// More prunes than are needed to detect any false result.
const PRUNES: usize = 12;

/// A cache of three images of 1,000 bytes with a limit of 2,000, and a driver with this fault.
fn full_cache(trial: &Trial, lie: &str) -> Tested<ImageCache> {
    fs::write(trial.beside("x"), b"no image of ours")?;
    let config = trial.config(faulty(&[("fault", lie)])).max_size(2000).build()?;
    let cache = ImageCache::open(config)?;
    for id in ["a", "b", "c"] {
        fill(&cache, id, &bytes(1, 1000));
    }
    Ok(cache)
}

/// Asserts that the files outside of the cache directory are unchanged.
fn assert_outside_untouched(trial: &Trial) -> Tested {
    assert_eq!(fs::read(trial.beside("x"))?, b"no image of ours");
    Ok(())
}

/// Prunes until the cache is small enough; a failing prune may be repeated.
fn prune_at_last(cache: &ImageCache) -> Tested<usize> {
    for prunes in 1..=PRUNES {
        let _ = cache.prune();
        if cache.cache_size()?.bytes <= 2000 {
            return Ok(prunes);
        }
    }
    Err(format!("after {PRUNES} prunes the cache has {:?}", cache.cache_size()?).into())
}

#[test]
fn a_victim_outside_of_the_directory_is_not_touched() -> Tested {
    let trial = Trial::new();
    let cache = full_cache(&trial, "path-victim")?;
    prune_at_last(&cache)?;
    assert_outside_untouched(&trial)?;
    assert_fell_back(&cache, TRIED, &["select-victims"]);
    assert_eq!(listed(&cache).len(), 2);
    Ok(())
}

#[test]
fn victims_that_are_not_cached_bring_no_prune_into_a_circle() -> Tested {
    let trial = Trial::new();
    let cache = full_cache(&trial, "foreign-victim")?;
    fs::write(trial.beside("foreign"), b"no image of ours")?;
    prune_at_last(&cache)?;
    assert!(trial.beside("foreign").exists());
    assert_outside_untouched(&trial)?;
    assert_eq!(cache.cache_size()?.images, 2);
    Ok(())
}

#[test]
fn more_victims_than_asked_for_are_no_answer() -> Tested {
    let trial = Trial::new();
    let cache = full_cache(&trial, "too-many")?;
    for _ in 0..3 {
        let _ = cache.prune();
    }
    // The driver has lost its records with its instance. Whatever it names then, no more images may be evicted than needed.
    assert!(cache.cache_size()?.images >= 2);
    assert!(serve(&cache, "c").is_ok());
    Ok(())
}

#[test]
fn images_that_are_being_read_are_not_evicted_even_if_a_driver_names_them() -> Tested {
    let trial = Trial::new();
    let cache = full_cache(&trial, "excluded-victim")?;
    let readers = ["a", "b", "c"].map(|id| cache.open_for_read(id));
    for _ in 0..3 {
        let _ = cache.prune();
    }
    assert_eq!(cache.cache_size()?.images, 3);
    for reader in readers {
        let image = image_cache_tests::read_all(reader?.ok_or("the image is gone")?)?;
        assert!(image == bytes(1, 1000));
    }
    assert_outside_untouched(&trial)
}

#[test]
fn a_driver_that_names_no_victim_has_sqlite_name_them() -> Tested {
    let trial = Trial::new();
    let cache = full_cache(&trial, "no-victim")?;
    let pruned = cache.prune()?;
    assert_eq!((pruned.images, pruned.bytes), (1, 1000));
    assert_eq!(cache.cache_size()?.images, 2);
    assert_fell_back(&cache, TRIED, &["names no victim"]);
    Ok(())
}

#[test]
fn a_leftover_outside_of_the_directory_is_not_touched() -> Tested {
    let trial = Trial::new();
    let cache = full_cache(&trial, "path-leftover")?;
    trial.put("invalid/broken", b"half an image");
    for _ in 0..4 {
        let _ = cache.clean(None);
    }
    assert_outside_untouched(&trial)?;
    assert_fell_back(&cache, TRIED, &["select-leftovers"]);
    assert!(
        !trial.path("invalid/broken").exists(),
        "sqlite cleans the leftovers that the driver did not"
    );
    Ok(())
}

#[test]
fn an_id_that_is_a_path_is_detected_and_the_list_is_complete() -> Tested {
    let trial = Trial::new();
    fs::write(trial.beside("x"), b"no image of ours")?;
    let cache = trial.open(faulty(&[("fault", "path-image")]));
    for id in ["a", "b", "c"] {
        fill(&cache, id, &bytes(1, 1000));
    }
    let _ = cache.cached_images();
    let _ = cache.cached_images();
    assert_fell_back(&cache, TRIED, &["get-cached-images"]);
    assert_eq!(listed(&cache), ["a", "b", "c"]);
    assert_outside_untouched(&trial)?;
    assert_works(&cache);
    Ok(())
}

#[test]
fn invalid_pages_never_make_a_list_wrong_or_endless() -> Tested {
    for lie in ["unsorted", "endless-page", "too-many"] {
        let trial = Trial::new();
        let cache = trial.open(faulty(&[("fault", lie), ("in", "get-cached-images")]));
        for id in ["a", "b", "c"] {
            fill(&cache, id, &bytes(1, 1000));
        }
        for _ in 0..4 {
            // The driver loses its records with each instance, so a list may lack images, or fail.
            let Ok(images) = cache.cached_images() else { continue };
            let ids: Vec<&str> = images.iter().map(|image| image.image_id.as_str()).collect();
            assert!(ids.is_sorted_by(|one, next| one < next), "{lie}: {ids:?}");
            assert!(ids.iter().all(|id| ["a", "b", "c"].contains(id)), "{lie}: {ids:?}");
        }
        for id in ["a", "b", "c"] {
            assert!(serve(&cache, id).is_ok_and(|image| image == bytes(1, 1000)), "{lie}: {id}");
        }
    }
    Ok(())
}

#[test]
fn an_image_that_is_only_in_the_records_is_neither_listed_nor_served() -> Tested {
    let trial = Trial::new();
    let cache = trial.open(faulty(&[("fault", "foreign-image")]));
    fill(&cache, "a", b"bytes");
    assert_eq!(listed(&cache), ["a"]);
    assert!(cache.open_for_read("!foreign")?.is_none());
    assert!(!cache.is_cached("!foreign")?);
    assert_eq!(cache.cache_size()?.images, 1);
    Ok(())
}

#[test]
fn a_liar_leaves_the_next_driver_sound_records() -> Tested {
    let trial = Trial::new();
    let cache = full_cache(&trial, "path-victim")?;
    prune_at_last(&cache)?;
    drop(cache);
    for driver in ["xattr", "sqlite"] {
        let cache =
            image_cache_tests::components::open(Config::builder(trial.dir()).driver(driver));
        assert_eq!(listed(&cache).len(), 2, "{driver}");
        assert_works(&cache);
    }
    Ok(())
}
