//! Inodes: bounded like bytes, by a number of images and by a floor of free inodes.

use super::{fill_sized, passes, sized};
use image_cache::{Expected, ImageCache, Outcome};
use image_cache_tests::{Mount, TempCache, Tested, fill, listed, serve, with_both_drivers};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Barrier;
use std::thread;

with_both_drivers![
    prune_keeps_no_more_images_than_there_may_be,
    a_hard_limit_on_images_evicts_before_it_admits,
    images_that_are_being_fetched_count_against_a_hard_limit,
    fills_at_once_never_exceed_a_hard_limit_on_images,
    where_caching_would_leave_too_few_inodes_nothing_is_cached,
    a_file_system_without_inodes_costs_no_reader_a_byte,
];

fn free_inodes(path: &Path) -> u64 {
    rustix::fs::statvfs(path).expect("the file system answers").f_favail
}

/// A small separate file system with this number of inodes.
fn disk(temp: &TempCache, inodes: u64) -> Option<(Mount, TempCache)> {
    let mount = Mount::tmpfs_of(8 << 20, inodes)?;
    let temp = TempCache::at(temp.driver(), mount.path().join("cache"));
    Some((mount, temp))
}

fn ids(cache: &ImageCache, ids: &[&str]) {
    for id in ids {
        fill(cache, id, id.as_bytes());
    }
}

fn prune_keeps_no_more_images_than_there_may_be(temp: &TempCache) -> Tested {
    let cache = temp.open_with(|config| config.max_images(3));
    ids(&cache, &["a", "b", "c"]);
    assert_eq!(cache.prune()?.images, 0, "exactly as many as there may be");
    ids(&cache, &["d", "e", "f", "g"]);
    assert_eq!(listed(&cache).len(), 7, "without a hard limit they come in first");
    serve(&cache, "a")?;
    let pruned = cache.prune()?;
    assert_eq!((pruned.images, listed(&cache)), (4, vec!["a".into(), "f".into(), "g".into()]));
    // The same for empty images; and an image that is being read stays.
    fill(&cache, "empty", b"");
    let mut read = cache.open_for_read("f")?.ok_or("it is cached")?;
    assert_eq!(cache.prune()?.images, 1);
    assert!(cache.is_cached("f")?);
    read.read_to_end(&mut Vec::new())?;
    assert_eq!(temp.records_in_sync().len(), 3);
    assert_eq!(temp.open().prune()?.images, 0, "any number, unless it is said");
    Ok(())
}

fn a_hard_limit_on_images_evicts_before_it_admits(temp: &TempCache) -> Tested {
    let cache = temp.open_with(|config| config.max_images(2).hard_limit(true));
    ids(&cache, &["a", "b"]);
    serve(&cache, "a")?;
    ids(&cache, &["c"]);
    assert_eq!(listed(&cache), ["a", "c"], "the least recently used went");
    // With an unknown length, with length zero, and with a known length.
    assert!(matches!(fill_sized(&cache, "d", b""), Outcome::Cached(_)));
    assert_eq!(listed(&cache), ["c", "d"]);
    let _read = cache.open_for_read("c")?;
    let _too = cache.open_for_read("d")?;
    let reason = passes(&cache, "e", b"image", sized(5))?;
    assert!(reason.contains("image_cache_max_images (2)"), "{reason}");
    assert_eq!(temp.records_in_sync().len(), 2);
    for name in xattr::list(temp.path("c"))? {
        assert!(!name.to_string_lossy().contains("place"), "{name:?}");
    }
    Ok(())
}

fn images_that_are_being_fetched_count_against_a_hard_limit(temp: &TempCache) -> Tested {
    let bounded = || temp.open_with(|config| config.max_images(2).hard_limit(true));
    let (cache, other) = (bounded(), bounded());
    let mut first = cache.caching_reader("first", &b"one"[..], sized(3))?;
    let mut second = other.caching_reader("second", &b"two"[..], Expected::nothing())?;
    let reason = passes(&cache, "third", b"three", sized(5))?;
    assert!(reason.contains("2 other images are being fetched"), "{reason}");
    first.read_to_end(&mut Vec::new())?;
    second.read_exact(&mut [0; 1])?;
    drop(second);
    assert!(matches!(fill_sized(&other, "third", b"three"), Outcome::Cached(_)));
    assert_eq!(listed(&cache), ["first", "third"]);
    Ok(())
}

fn fills_at_once_never_exceed_a_hard_limit_on_images(temp: &TempCache) -> Tested {
    let most = 5;
    // Before the threads start: if one fails to open, the others wait for it at the barrier.
    let caches = [(); 4].map(|()| temp.open_with(|it| it.max_images(most).hard_limit(true)));
    let start = Barrier::new(caches.len());
    thread::scope(|scope| {
        for (n, cache) in caches.iter().enumerate() {
            let start = &start;
            scope.spawn(move || {
                start.wait();
                for image in 0..20 {
                    let id = format!("{n}-{image}");
                    let cached = cache.cache_image(&id, id.as_bytes(), Expected::nothing());
                    assert!(cached.is_ok(), "{cached:?}");
                    // No process publishes or evicts meanwhile.
                    let lock = File::open(temp.path(".image-cache/lock")).expect("it is there");
                    lock.lock().expect("it is free in time");
                    let there = temp.images().len() as u64;
                    assert!(there <= most, "{there} images");
                }
            });
        }
    });
    assert!(!temp.records_in_sync().is_empty());
    Ok(())
}

fn where_caching_would_leave_too_few_inodes_nothing_is_cached(temp: &TempCache) -> Tested {
    let Some((mount, temp)) = disk(temp, 100) else { return Ok(()) };
    let cache = temp.open_with(|config| config.min_free_inodes(40));
    let mut cached = 0;
    for n in 0..100 {
        let outcome = cache.cache_image(&n.to_string(), &b"image"[..], Expected::nothing())?;
        cached += u32::from(matches!(outcome, Outcome::Cached(_)));
        assert!(free_inodes(mount.path()) >= 40, "{outcome:?}");
    }
    assert!(cached > 10, "{cached} images");
    for expected in [sized(5), sized(0), Expected::nothing()] {
        let image = if expected.size == Some(0) { &b""[..] } else { b"image" };
        let reason = passes(&cache, "late", image, expected)?;
        assert!(reason.contains("image_cache_min_free_inodes keeps 40"), "{reason}");
    }
    let status = cache.status()?;
    assert_eq!(status.free_inodes, Some(free_inodes(mount.path())));
    cache.delete_all_cached_images()?;
    fill(&cache, "late", b"image");
    temp.records_in_sync();
    Ok(())
}

fn a_file_system_without_inodes_costs_no_reader_a_byte(temp: &TempCache) -> Tested {
    let Some((mount, temp)) = disk(temp, 60) else { return Ok(()) };
    let cache = temp.open();
    let mut passed = 0;
    for n in 0..80 {
        let id = n.to_string();
        let mut came = Vec::new();
        let mut reader = cache.caching_reader(&id, &b"an image"[..], Expected::nothing())?;
        reader.read_to_end(&mut came)?;
        assert_eq!(came, b"an image");
        passed += u32::from(!matches!(reader.outcome(), Some(Outcome::Cached(_))));
    }
    assert!(passed > 0 && free_inodes(mount.path()) < 2, "{passed} passed");
    cache.delete_all_cached_images()?;
    fill(&cache, "late", b"image");
    assert_eq!(listed(&cache), ["late"]);
    Ok(())
}
