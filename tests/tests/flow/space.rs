//! The disk: room is reserved before bytes come, the floor of free space holds, and so does a hard limit, however
//! many fill at once.

use image_cache::{Expected, ImageCache, Outcome};
use image_cache_tests::{
    Mount, Place, Source, Tested, bytes, drip, fill, listed, md5_hex, serve, with_both_drivers,
};
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

with_both_drivers![
    room_for_a_known_length_is_there_before_the_bytes_are,
    what_was_reserved_and_not_written_is_given_back,
    an_image_too_large_for_the_disk_is_refused_before_it_is_read,
    where_caching_would_leave_less_than_the_floor_nothing_is_cached,
    an_image_of_unknown_length_stops_being_cached_at_the_floor,
    a_hard_limit_evicts_before_it_admits,
    an_image_larger_than_the_hard_limit_costs_no_other_its_place,
    what_is_being_read_is_no_room_for_others,
    an_image_of_unknown_length_makes_room_as_it_grows,
    running_fills_count_against_the_hard_limit,
    fills_of_a_cache_without_a_limit_count_too,
    dead_writers_hold_no_room,
    fills_in_many_processes_never_exceed_the_hard_limit_or_the_floor,
];

const MIB: u64 = 1 << 20;

fn image(seed: u64, size: u64) -> Vec<u8> {
    bytes(seed, usize::try_from(size).expect("it fits into memory"))
}

/// A small file system of its own for this driver's cache.
fn disk(place: &Place, size: u64) -> Option<(Mount, Place)> {
    let mount = Mount::tmpfs(size)?;
    let place = Place::at(place.driver(), mount.path().join("cache"));
    Some((mount, place))
}

fn free(path: &Path) -> u64 {
    let stat = rustix::fs::statvfs(path).expect("the file system answers");
    stat.f_bavail * stat.f_frsize
}

/// Bytes on disk.
fn on_disk(path: &Path) -> u64 {
    fs::metadata(path).expect("the file is there").blocks() * 512
}

fn sized(size: u64) -> Expected {
    Expected::nothing().with_size(size)
}

/// Caches an image whose length is told.
fn fill_sized(cache: &ImageCache, id: &str, image: &[u8]) -> Outcome {
    cache.cache_image(id, image, sized(image.len() as u64)).expect("the source is sound")
}

/// Reads an image through the cache that does not keep it, and answers why.
fn passes(cache: &ImageCache, id: &str, image: &[u8], expected: Expected) -> Tested<String> {
    let expected = expected.with_md5(&md5_hex(image))?;
    let mut reader = cache.caching_reader(id, image, expected)?;
    let (came, end) = drip(&mut reader, 50_000);
    end?;
    assert!(came == image, "the reader gets every byte");
    assert!(!cache.is_cached(id)? && !cache.is_being_cached(id)?);
    match reader.outcome() {
        Some(Outcome::CacheFailed(reason)) => Ok(reason.clone()),
        other => panic!("{id}: {other:?}"),
    }
}

fn room_for_a_known_length_is_there_before_the_bytes_are(place: &Place) -> Tested {
    let Some((mount, place)) = disk(place, 8 * MIB) else { return Ok(()) };
    let (cache, image) = (place.open(), image(1, 3 * MIB));
    let before = free(mount.path());
    let mut reader = cache.caching_reader("a", &image[..], sized(3 * MIB))?;
    let incomplete = place.path("incomplete/a");
    assert_eq!((fs::metadata(&incomplete)?.len(), on_disk(&incomplete)), (0, 3 * MIB));
    assert!(before - free(mount.path()) >= 3 * MIB);
    // Whoever fills the disk meanwhile does not touch it.
    let mut hog = File::create(mount.path().join("hog"))?;
    while std::io::copy(&mut std::io::repeat(1), &mut hog).is_ok() {}
    assert!(drip(&mut reader, 100_000).0 == image);
    fs::remove_file(mount.path().join("hog"))?;
    assert!(matches!(reader.outcome(), Some(Outcome::Cached(_))), "{:?}", reader.outcome());
    assert!(serve(&cache, "a")? == image);
    Ok(())
}

fn what_was_reserved_and_not_written_is_given_back(place: &Place) -> Tested {
    let Some((mount, place)) = disk(place, 8 * MIB) else { return Ok(()) };
    let cache = place.open_with(|config| config.min_free(1));
    let before = free(mount.path());
    assert!(cache.cache_image("short", &[7; 5000][..], sized(3 * MIB)).is_err());
    assert_eq!(on_disk(&place.path("invalid/short")), 8192);
    let mut dropped = cache.caching_reader("dropped", &[7; 5000][..], sized(3 * MIB))?;
    dropped.read_exact(&mut [0; 1000])?;
    drop(dropped);
    assert!(on_disk(&place.path("invalid/dropped")) <= 8192);
    assert!(matches!(
        cache.cache_image("unknown", &image(2, 2 * MIB + 1)[..], Expected::nothing())?,
        Outcome::Cached(_)
    ));
    assert_eq!(on_disk(&place.path("unknown")), 2 * MIB + 4096);
    let attributes: Vec<_> = xattr::list(place.path("unknown"))?.collect();
    assert!(attributes.iter().all(|name| !name.to_string_lossy().contains("reserved")));
    assert!(before - free(mount.path()) < 3 * MIB);
    Ok(())
}

fn an_image_too_large_for_the_disk_is_refused_before_it_is_read(place: &Place) -> Tested {
    let Some((mount, place)) = disk(place, 4 * MIB) else { return Ok(()) };
    let cache = place.open();
    fill(&cache, "good", b"image");
    let before = free(mount.path());
    for size in [8 * MIB, 1 << 50, u64::MAX] {
        let source = Source::of("unread");
        let reads = source.reads();
        let outcome = cache.cache_image("a", source, sized(size))?;
        let Outcome::CacheFailed(reason) = outcome else { panic!("{outcome:?}") };
        assert!(reason.contains("No space left"), "{reason}");
        assert_eq!((reads.load(Ordering::Relaxed), free(mount.path())), (0, before));
        assert!(place.names("incomplete").is_empty() && place.names("invalid").is_empty());
    }
    let large = image(3, 5 * MIB);
    let reason = passes(&cache, "a", &large, sized(5 * MIB))?;
    assert!(reason.contains("5.0 MiB"), "{reason}");
    assert_eq!((cache.status()?.cache_failures, place.books_in_step().len()), (4, 1));
    // A smaller one has room.
    assert!(matches!(fill_sized(&cache, "a", &large[..1000]), Outcome::Cached(_)));
    Ok(())
}

fn where_caching_would_leave_less_than_the_floor_nothing_is_cached(place: &Place) -> Tested {
    let Some((mount, place)) = disk(place, 8 * MIB) else { return Ok(()) };
    let cache = place.open_with(|config| config.min_free(3 * MIB));
    let first = image(4, 3 * MIB);
    assert!(matches!(fill_sized(&cache, "first", &first), Outcome::Cached(_)));
    let second = image(5, 3 * MIB);
    for expected in [sized(3 * MIB), Expected::nothing()] {
        let reason = passes(&cache, "second", &second, expected)?;
        assert!(reason.contains("image_cache_min_free keeps 3.0 MiB"), "{reason}");
        assert!(free(mount.path()) >= 3 * MIB);
    }
    assert!(place.names("incomplete").is_empty() && place.names("invalid").is_empty());
    assert!(serve(&cache, "first")? == first, "nor is anything taken away");
    // Below the floor, not even a small image; and as soon as there is space again, a large one.
    fs::write(mount.path().join("hog"), image(6, 2 * MIB))?;
    passes(&cache, "small", b"image", sized(5))?;
    passes(&cache, "small", b"image", Expected::nothing())?;
    fs::remove_file(mount.path().join("hog"))?;
    cache.delete_cached_image("first")?;
    assert!(matches!(fill_sized(&cache, "second", &second), Outcome::Cached(_)));
    assert_eq!(place.books_in_step().len(), 1);
    Ok(())
}

fn an_image_of_unknown_length_stops_being_cached_at_the_floor(place: &Place) -> Tested {
    let Some((mount, place)) = disk(place, 16 * MIB) else { return Ok(()) };
    let cache = place.open_with(|config| config.min_free(8 * MIB));
    let (large, path) = (image(7, 12 * MIB), mount.path());
    let mut reader = cache.caching_reader("a", &large[..], Expected::nothing())?;
    let mut half = vec![0; 4 << 20];
    reader.read_exact(&mut half)?;
    assert!(place.path("incomplete/a").exists() && free(path) >= 8 * MIB);
    let (rest, end) = drip(&mut reader, 100_000);
    end?;
    half.extend(rest);
    assert!(half == large);
    assert!(matches!(reader.outcome(), Some(Outcome::CacheFailed(_))), "{:?}", reader.outcome());
    assert!(place.names("incomplete").is_empty() && place.names("invalid").is_empty());
    // What fits is cached, to the last block: 7 MiB where a little less than 8 are left.
    assert!(matches!(
        cache.cache_image("b", &large[..7 << 20], Expected::nothing())?,
        Outcome::Cached(_)
    ));
    assert!(free(path) >= 8 * MIB);
    Ok(())
}

fn hard(place: &Place, max_size: u64) -> ImageCache {
    place.open_with(|config| config.max_size(max_size).hard_limit(true))
}

fn a_hard_limit_evicts_before_it_admits(place: &Place) -> Tested {
    let cache = hard(place, 3000);
    for (seed, id) in ["a", "b", "c"].into_iter().enumerate() {
        assert!(matches!(fill_sized(&cache, id, &bytes(seed as u64, 1000)), Outcome::Cached(_)));
    }
    assert_eq!(listed(&cache), ["a", "b", "c"], "exactly at the limit nothing is evicted");
    serve(&cache, "a")?;
    let mut reader = cache.caching_reader("d", &[7; 1500][..], sized(1500))?;
    assert_eq!(cache.cache_size()?.bytes, 1000, "before the first byte");
    assert_eq!(listed(&cache), ["a"], "the least recently used went");
    reader.read_to_end(&mut Vec::new())?;
    assert!(matches!(reader.outcome(), Some(Outcome::Cached(_))));
    assert_eq!((listed(&cache), cache.prune()?.images), (vec!["a".into(), "d".into()], 0));
    drop(cache);
    // A smaller limit than before: what is too much goes with the next image.
    let cache = hard(place, 1600);
    fill_sized(&cache, "e", &[7; 100]);
    assert_eq!(listed(&cache), ["d", "e"]);
    assert_eq!(place.books_in_step().len(), 2);
    Ok(())
}

fn an_image_larger_than_the_hard_limit_costs_no_other_its_place(place: &Place) -> Tested {
    let cache = hard(place, 2 * MIB);
    fill(&cache, "a", &bytes(1, 1000));
    let large = image(2, 3 * MIB);
    let reason = passes(&cache, "b", &large, sized(3 * MIB))?;
    assert!(reason.contains("image_cache_max_size (2.0 MiB)"), "{reason}");
    assert_eq!(listed(&cache), ["a"]);
    // Of unknown length it makes room for itself as long as there can be any.
    passes(&cache, "b", &large, Expected::nothing())?;
    assert!(place.names("incomplete").is_empty() && place.names("invalid").is_empty());
    let nothing = hard(place, 0);
    passes(&nothing, "c", b"image", sized(5))?;
    passes(&nothing, "c", b"image", Expected::nothing())?;
    place.books_in_step();
    Ok(())
}

fn what_is_being_read_is_no_room_for_others(place: &Place) -> Tested {
    let cache = hard(place, 2500);
    fill(&cache, "read", &bytes(1, 1000));
    fill(&cache, "idle", &bytes(2, 1000));
    let mut reader = cache.open_for_read("read")?.ok_or("it was cached")?;
    let other = image(3, 2000);
    let reason = passes(&cache, "new", &other, sized(2000))?;
    assert!(reason.contains("cannot be"), "{reason}");
    let mut came = Vec::new();
    reader.read_to_end(&mut came)?;
    assert!(came == bytes(1, 1000) && cache.is_cached("read")?);
    drop(reader);
    assert!(matches!(fill_sized(&cache, "new", &other), Outcome::Cached(_)));
    assert_eq!(listed(&cache), ["new"]);
    Ok(())
}

fn an_image_of_unknown_length_makes_room_as_it_grows(place: &Place) -> Tested {
    let place = &Place::in_memory(place.driver());
    let cache = hard(place, 8 * MIB);
    for seed in 0..8 {
        fill_sized(&cache, &seed.to_string(), &image(seed, MIB - 1));
    }
    let large = image(9, 6 * MIB);
    let mut reader = cache.caching_reader("large", &large[..], Expected::nothing())?;
    let mut came = vec![0; 1 << 20];
    reader.read_exact(&mut came)?;
    let left = listed(&cache).len();
    assert!((5..8).contains(&left), "no more than must go: {left} of 8 are left");
    reader.read_to_end(&mut came)?;
    assert!(came == large && matches!(reader.outcome(), Some(Outcome::Cached(_))));
    assert!(cache.cache_size()?.bytes <= 8 * MIB && listed(&cache).contains(&"7".into()));
    place.books_in_step();
    Ok(())
}

fn running_fills_count_against_the_hard_limit(place: &Place) -> Tested {
    let (cache, other) = (hard(place, 3000), hard(place, 3000));
    let first = bytes(1, 2000);
    let mut reader = cache.caching_reader("first", &first[..], sized(2000))?;
    let reason = passes(&other, "second", &bytes(2, 1001), sized(1001))?;
    assert!(
        reason.contains("other fills take up 2.0 KB") || reason.contains("2.0 KiB"),
        "{reason}"
    );
    assert!(matches!(fill_sized(&other, "third", &bytes(3, 1000)), Outcome::Cached(_)));
    reader.read_to_end(&mut Vec::new())?;
    assert!(matches!(reader.outcome(), Some(Outcome::Cached(_))));
    assert_eq!(cache.cache_size()?.bytes, 3000);
    // One that broke off holds nothing.
    drop(cache.caching_reader("fourth", &first[..], sized(2500))?);
    assert!(matches!(fill_sized(&other, "fifth", &bytes(5, 3000)), Outcome::Cached(_)));
    assert_eq!(listed(&cache), ["fifth"]);
    Ok(())
}

fn fills_of_a_cache_without_a_limit_count_too(place: &Place) -> Tested {
    let place = &Place::in_memory(place.driver());
    let (free, cache) = (place.open(), hard(place, 4 * MIB));
    let image = image(1, 3 * MIB);
    let mut reader = free.caching_reader("a", &image[..], sized(3 * MIB))?;
    passes(&cache, "b", &image[..2 << 20], sized(2 * MIB))?;
    reader.read_to_end(&mut Vec::new())?;
    assert!(matches!(fill_sized(&cache, "b", &image[..2 << 20]), Outcome::Cached(_)));
    assert_eq!(listed(&cache), ["b"]);
    Ok(())
}

fn dead_writers_hold_no_room(place: &Place) -> Tested {
    let cache = hard(place, 3000);
    let left = place.put("incomplete/dead", &[7; 2500]);
    // Where there are no attributes there is nothing to be misled by.
    let _ = xattr::set(left, "user.image-cache.reserved", b"2500");
    assert!(matches!(fill_sized(&cache, "a", &bytes(1, 3000)), Outcome::Cached(_)));
    Ok(())
}

const LIMIT: u64 = 3 * MIB;
const FLOOR: u64 = 3 * MIB;

fn bounded(place: &Place) -> ImageCache {
    place.open_with(|config| config.max_size(LIMIT).hard_limit(true).min_free(FLOOR))
}

/// Fills with images of many lengths, known and unknown; how many were cached.
fn fill_many(cache: &ImageCache, process: u64) -> u64 {
    let cached = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let cached = &cached;
            scope.spawn(move || {
                for round in 0..30 {
                    let seed = process * 1000 + thread * 100 + round;
                    let image = image(seed, (seed * 7919) % (MIB / 2));
                    let expected = match round % 3 {
                        0 => Expected::nothing(),
                        _ => sized(image.len() as u64),
                    };
                    let mut reader = cache
                        .caching_reader(&format!("{seed}"), &image[..], expected)
                        .expect("the id is sound");
                    let (came, end) = drip(&mut reader, 100_000);
                    end.expect("the source is sound");
                    assert!(came == image);
                    if let Some(Outcome::Cached(_)) = reader.outcome() {
                        cached.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    cached.into_inner()
}

/// Runs as another process, under the test below.
#[test]
fn filling_beside_others() -> Tested {
    let Some(place) = Place::of_parent() else { return Ok(()) };
    let cached = fill_many(&bounded(&place), u64::from(std::process::id()));
    println!("\ncached {cached}");
    Ok(())
}

/// Cached bytes and those of running fills, while nobody publishes or reserves.
fn taken(place: &Place) -> Tested<u64> {
    let lock = File::open(place.path(".image-cache/lock"))?;
    lock.lock()?;
    let running = place.names("incomplete").into_iter().filter_map(|name| {
        // It may be rolled back meanwhile.
        Some(fs::metadata(place.path("incomplete").join(name)).ok()?.len())
    });
    Ok(running.sum::<u64>() + place.images().values().map(|image| image.size).sum::<u64>())
}

fn fills_in_many_processes_never_exceed_the_hard_limit_or_the_floor(place: &Place) -> Tested {
    let Some((mount, place)) = disk(place, 7 * MIB) else { return Ok(()) };
    let cache = bounded(&place);
    fill(&cache, "first", b"image");
    let done = AtomicBool::new(false);
    let (most, least) = std::thread::scope(|scope| -> Tested<(u64, u64)> {
        let watch = scope.spawn(|| {
            let (mut most, mut least) = (0, u64::MAX);
            while !done.load(Ordering::Relaxed) {
                most = most.max(taken(&place).expect("the directory can be read"));
                least = least.min(free(mount.path()));
            }
            (most, least)
        });
        let test = "space::filling_beside_others";
        let children: Result<Vec<_>, _> =
            (0..3).map(|_| place.in_child(test).and_then(|mut child| child.spawn())).collect();
        assert!(fill_many(&cache, 0) > 0);
        for child in children? {
            let output = child.wait_with_output()?;
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        }
        done.store(true, Ordering::Relaxed);
        Ok(watch.join().map_err(|_| "watching failed")?)
    })?;
    assert!(most <= LIMIT, "{most} bytes of at most {LIMIT}");
    // The books, too, need a little.
    assert!(least + MIB / 2 >= FLOOR, "{least} bytes were free, {FLOOR} should have stayed");
    assert!(most > LIMIT / 2, "{most}: the limit was not even approached");
    assert!(place.names("incomplete").is_empty());
    let books = place.books_in_step();
    assert_eq!(books.len() as u64, cache.cache_size()?.images);
    Ok(())
}

#[test]
fn where_nothing_can_be_reserved_images_are_cached_unless_a_hard_limit_must_hold() -> Tested {
    let Some(mount) = Mount::ramfs() else { return Ok(()) };
    let place = Place::at("sqlite", mount.path().join("cache"));
    let cache = place.open();
    assert!(matches!(fill_sized(&cache, "a", &bytes(1, 100_000)), Outcome::Cached(_)));
    let cache = hard(&place, MIB);
    let reason = passes(&cache, "b", &bytes(2, 1000), sized(1000))?;
    assert!(reason.contains("can reserve nothing"), "{reason}");
    let cache = place.open_with(|config| config.min_free(MIB));
    assert!(matches!(fill_sized(&cache, "b", &bytes(2, 1000)), Outcome::Cached(_)));
    Ok(())
}
