//! Space on the disk: reserved before bytes arrive, released afterwards, and never below the floor.

use super::{MIB, disk, fill_sized, free, image, passes, sized};
use image_cache::{Expected, Outcome};
use image_cache_tests::{
    Source, TempCache, Tested, fill, read_until_error, serve, with_both_drivers,
};
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::Ordering;

with_both_drivers![
    room_for_a_known_length_is_there_before_the_bytes_are,
    reserved_space_that_is_not_written_is_released,
    an_image_too_large_for_the_disk_is_refused_before_it_is_read,
    where_caching_would_leave_less_than_the_floor_nothing_is_cached,
    an_image_of_unknown_length_stops_being_cached_at_the_floor,
];

/// Bytes on disk.
fn on_disk(path: &Path) -> u64 {
    fs::metadata(path).expect("the file is there").blocks() * 512
}

fn room_for_a_known_length_is_there_before_the_bytes_are(temp: &TempCache) -> Tested {
    let Some((mount, temp)) = disk(temp, 8 * MIB) else { return Ok(()) };
    let (cache, image) = (temp.open(), image(1, 3 * MIB));
    let before = free(mount.path());
    let mut reader = cache.caching_reader("a", &image[..], sized(3 * MIB))?;
    let incomplete = temp.path("incomplete/a");
    assert_eq!((fs::metadata(&incomplete)?.len(), on_disk(&incomplete)), (0, 3 * MIB));
    assert!(before - free(mount.path()) >= 3 * MIB);
    // Another program that fills the disk meanwhile does not affect it.
    let mut hog = File::create(mount.path().join("hog"))?;
    while std::io::copy(&mut std::io::repeat(1), &mut hog).is_ok() {}
    assert!(read_until_error(&mut reader, 100_000).0 == image);
    fs::remove_file(mount.path().join("hog"))?;
    assert!(matches!(reader.outcome(), Some(Outcome::Cached(_))), "{:?}", reader.outcome());
    assert!(serve(&cache, "a")? == image);
    Ok(())
}

fn reserved_space_that_is_not_written_is_released(temp: &TempCache) -> Tested {
    let Some((mount, temp)) = disk(temp, 8 * MIB) else { return Ok(()) };
    let cache = temp.open_with(|config| config.min_free(1));
    let before = free(mount.path());
    assert!(cache.cache_image("short", &[7; 5000][..], sized(3 * MIB)).is_err());
    assert_eq!(on_disk(&temp.path("invalid/short")), 8192);
    let mut dropped = cache.caching_reader("dropped", &[7; 5000][..], sized(3 * MIB))?;
    dropped.read_exact(&mut [0; 1000])?;
    drop(dropped);
    assert!(on_disk(&temp.path("invalid/dropped")) <= 8192);
    assert!(matches!(
        cache.cache_image("unknown", &image(2, 2 * MIB + 1)[..], Expected::nothing())?,
        Outcome::Cached(_)
    ));
    assert_eq!(on_disk(&temp.path("unknown")), 2 * MIB + 4096);
    let attributes: Vec<_> = xattr::list(temp.path("unknown"))?.collect();
    assert!(attributes.iter().all(|name| !name.to_string_lossy().contains("reserved")));
    assert!(before - free(mount.path()) < 3 * MIB);
    Ok(())
}

fn an_image_too_large_for_the_disk_is_refused_before_it_is_read(temp: &TempCache) -> Tested {
    let Some((mount, temp)) = disk(temp, 4 * MIB) else { return Ok(()) };
    let cache = temp.open();
    fill(&cache, "good", b"image");
    let before = free(mount.path());
    for size in [8 * MIB, 1 << 50, u64::MAX] {
        let source = Source::of("unread");
        let reads = source.reads();
        let outcome = cache.cache_image("a", source, sized(size))?;
        let Outcome::CacheFailed(reason) = outcome else { panic!("{outcome:?}") };
        assert!(reason.to_string().contains("No space left"), "{reason}");
        assert_eq!((reads.load(Ordering::Relaxed), free(mount.path())), (0, before));
        assert!(temp.names("incomplete").is_empty() && temp.names("invalid").is_empty());
    }
    let large = image(3, 5 * MIB);
    let reason = passes(&cache, "a", &large, sized(5 * MIB))?;
    assert!(reason.contains("5.0 MiB"), "{reason}");
    assert_eq!((cache.status()?.cache_failures, temp.records_in_sync().len()), (4, 1));
    // A smaller image fits.
    assert!(matches!(fill_sized(&cache, "a", &large[..1000]), Outcome::Cached(_)));
    Ok(())
}

fn where_caching_would_leave_less_than_the_floor_nothing_is_cached(temp: &TempCache) -> Tested {
    let Some((mount, temp)) = disk(temp, 8 * MIB) else { return Ok(()) };
    let cache = temp.open_with(|config| config.min_free(3 * MIB));
    let first = image(4, 3 * MIB);
    assert!(matches!(fill_sized(&cache, "first", &first), Outcome::Cached(_)));
    let second = image(5, 3 * MIB);
    for expected in [sized(3 * MIB), Expected::nothing()] {
        let reason = passes(&cache, "second", &second, expected)?;
        assert!(reason.contains("image_cache_min_free keeps 3.0 MiB"), "{reason}");
        assert!(free(mount.path()) >= 3 * MIB);
    }
    assert!(temp.names("incomplete").is_empty() && temp.names("invalid").is_empty());
    assert!(serve(&cache, "first")? == first, "no image is removed either");
    // Below the floor, not even a small image is cached; as soon as there is space again, a large one is.
    fs::write(mount.path().join("hog"), image(6, 2 * MIB))?;
    passes(&cache, "small", b"image", sized(5))?;
    passes(&cache, "small", b"image", Expected::nothing())?;
    fs::remove_file(mount.path().join("hog"))?;
    cache.delete_cached_image("first")?;
    assert!(matches!(fill_sized(&cache, "second", &second), Outcome::Cached(_)));
    assert_eq!(temp.records_in_sync().len(), 1);
    Ok(())
}

fn an_image_of_unknown_length_stops_being_cached_at_the_floor(temp: &TempCache) -> Tested {
    let Some((mount, temp)) = disk(temp, 16 * MIB) else { return Ok(()) };
    let cache = temp.open_with(|config| config.min_free(8 * MIB));
    let (large, path) = (image(7, 12 * MIB), mount.path());
    let mut reader = cache.caching_reader("a", &large[..], Expected::nothing())?;
    let mut half = vec![0; 4 << 20];
    reader.read_exact(&mut half)?;
    assert!(temp.path("incomplete/a").exists() && free(path) >= 8 * MIB);
    let (rest, end) = read_until_error(&mut reader, 100_000);
    end?;
    half.extend(rest);
    assert!(half == large);
    assert!(matches!(reader.outcome(), Some(Outcome::CacheFailed(_))), "{:?}", reader.outcome());
    assert!(temp.names("incomplete").is_empty() && temp.names("invalid").is_empty());
    // The image is cached if it fits, to the last block: 7 MiB with a little less than 8 MiB free.
    assert!(matches!(
        cache.cache_image("b", &large[..7 << 20], Expected::nothing())?,
        Outcome::Cached(_)
    ));
    assert!(free(path) >= 8 * MIB);
    Ok(())
}
