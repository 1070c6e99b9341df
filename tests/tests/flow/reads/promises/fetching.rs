//! Guarantees for the readers of an image that is being fetched.

use super::super::{Reader, Reads, Store};
use super::{MIB, assert_leaves, assert_nothing_cached, is_cached, read_together, take};
use image_cache_tests::{Mount, TempCache, Tested, bytes, read_all, until, wrong_md5};
use std::fs;
use std::io::Read;

/// Three readers in the middle of the image, before the source continues.
fn three_amid<R: Reads>(reads: &R, store: &Store) -> Tested<Vec<Reader>> {
    store.source.allow(400_000);
    let mut readers = Vec::new();
    for _ in 0..3 {
        let mut reader = reads.get()?;
        assert!(take(&mut reader, 10)? == store.image[..10]);
        readers.push(reader);
    }
    Ok(readers)
}

pub fn many_readers_of_one_cold_image_share_one_source<R: Reads>(temp: &TempCache) -> Tested {
    const READERS: usize = 20;
    let image = bytes(1, 3_000_001);
    let store = Store::of(&image);
    let reads = R::open(temp, &store, false)?;
    let readers: Vec<Reader> = (0..READERS).map(|_| reads.get()).collect::<Tested<_>>()?;
    for (n, (came, end)) in read_together(readers).into_iter().enumerate() {
        end?;
        assert!(came == image, "reader {n}: {} bytes", came.len());
    }
    assert_eq!((store.source.opened(), store.source.given()), (1, image.len()));
    assert_leaves(reads, temp, &store, READERS as u64 - 1)
}

pub fn a_late_reader_gets_the_whole_image<R: Reads>(temp: &TempCache) -> Tested {
    let image = bytes(2, 900_000);
    let store = Store::throttled(&image);
    let reads = R::open(temp, &store, false)?;
    store.source.allow(500_000);
    let mut first = reads.get()?;
    let half = take(&mut first, 499_999)?;
    let mut late = reads.get()?;
    let mut came = take(&mut late, 499_999)?;
    assert!(half == came);
    store.source.finish();
    late.read_to_end(&mut came)?;
    assert!(came == image && read_all(first)? == image[499_999..]);
    assert_eq!(store.source.opened(), 1);
    assert_leaves(reads, temp, &store, 1)
}

pub fn no_reader_waits_for_a_slow_first_reader<R: Reads>(temp: &TempCache) -> Tested {
    let image = bytes(3, R::BUFFERED + 2_000_000);
    let store = Store::of(&image);
    let reads = R::open(temp, &store, false)?;
    let mut slow = reads.get()?;
    take(&mut slow, 1)?;
    // In the same thread: the first reader cannot progress while the other one reads.
    assert!(read_all(reads.get()?)? == image && is_cached(temp));
    assert!(fs::read(temp.path("a"))? == image);
    assert!(until(|| temp.open().hit_count("a").is_ok_and(|hits| hits == 1)));
    assert!(temp.open().delete_cached_image("a")?);
    assert!(read_all(slow)? == image[1..], "though the image was deleted meanwhile");
    assert_eq!(store.source.opened(), 1);
    assert_eq!(reads.close()?.unwrap_or_default(), 0, "failures of the cache");
    assert_nothing_cached(temp);
    Ok(())
}

pub fn a_fetch_continues_when_its_first_reader_leaves<R: Reads>(temp: &TempCache) -> Tested {
    let image = bytes(4, 900_000);
    let store = Store::throttled(&image);
    let reads = R::open(temp, &store, false)?;
    store.source.allow(300_000);
    let mut first = reads.get()?;
    assert!(take(&mut first, 200_000)? == image[..200_000]);
    let (mut second, third) = (reads.get()?, reads.get()?);
    take(&mut second, 100)?;
    drop(first);
    drop(third);
    store.source.finish();
    assert!(read_all(second)? == image[100..]);
    assert_eq!(store.source.opened(), 1);
    assert_leaves(reads, temp, &store, 1)
}

pub fn a_fetch_without_readers_stops<R: Reads>(temp: &TempCache) -> Tested {
    let image = bytes(5, 900_000);
    let store = Store::throttled(&image);
    let reads = R::open(temp, &store, false)?;
    store.source.allow(500_000);
    let (mut first, mut second) = (reads.get()?, reads.get()?);
    take(&mut first, 400_000)?;
    take(&mut second, 10)?;
    drop(first);
    drop(second);
    assert_nothing_cached(temp);
    assert!(temp.names("invalid").contains("a"));
    assert_eq!(temp.open().clean(None)?.invalid, 1, "the file is not in use any more");
    store.source.finish();
    assert!(read_all(reads.get()?)? == image);
    assert_leaves(reads, temp, &store, 0)
}

pub fn with_fetch_to_end_a_fetch_without_readers_continues_to_its_end<R: Reads>(
    temp: &TempCache,
) -> Tested {
    let image = bytes(6, 900_000);
    let store = Store::throttled(&image);
    let reads = R::open(temp, &store, true)?;
    store.source.allow(300_000);
    // The second one joins a fetch that no reader needs any more.
    for _ in 0..2 {
        take(&mut reads.get()?, 1000)?;
    }
    store.source.finish();
    assert!(is_cached(temp));
    assert_eq!(store.source.opened(), 1);
    assert_leaves(reads, temp, &store, 0)
}

pub fn of_a_wrong_image_no_reader_gets_the_last_byte<R: Reads>(temp: &TempCache) -> Tested {
    let image = bytes(7, 700_000);
    let store = Store { md5: wrong_md5(&image), ..Store::throttled(&image) };
    let reads = R::open(temp, &store, false)?;
    let readers = three_amid(&reads, &store)?;
    store.source.finish();
    for (came, end) in read_together(readers) {
        assert!(end.is_err(), "it is wrong");
        assert!(10 + came.len() < image.len() && image[10..].starts_with(&came));
    }
    assert_eq!(store.source.opened(), 1);
    assert_nothing_cached(temp);
    Ok(())
}

pub fn an_error_of_the_source_ends_every_reader<R: Reads>(temp: &TempCache) -> Tested {
    const ECONNRESET: i32 = 104;
    let image = bytes(8, 700_000);
    let store = Store { is_sound: false, ..Store::throttled(&image) };
    let reads = R::open(temp, &store, false)?;
    let readers = three_amid(&reads, &store)?;
    store.source.fail(ECONNRESET);
    for (came, end) in read_together(readers) {
        assert!(end.is_err(), "the source fails");
        assert!(10 + came.len() <= 400_000 && image[10..].starts_with(&came));
    }
    assert_nothing_cached(temp);
    store.source.finish();
    assert!(read_all(reads.get()?)? == image);
    assert_leaves(reads, temp, &store, 0)
}

pub fn an_empty_image_is_shared_and_cached<R: Reads>(temp: &TempCache) -> Tested {
    let store = Store::of(&[]);
    let reads = R::open(temp, &store, false)?;
    let (first, second) = (reads.get()?, reads.get()?);
    assert!(read_all(second)?.is_empty() && read_all(first)?.is_empty());
    assert!(is_cached(temp));
    assert!(read_all(reads.get()?)?.is_empty());
    assert_leaves(reads, temp, &store, 2)
}

pub fn ranges_of_a_running_fetch_are_returned_as_they_arrive<R: Reads>(temp: &TempCache) -> Tested {
    let image = bytes(12, 900_000);
    let store = Store::throttled(&image);
    let reads = R::open(temp, &store, false)?;
    store.source.allow(500_000);
    let mut first = reads.get()?;
    take(&mut first, 1)?;
    assert!(read_all(reads.get_range(100_000..400_000)?)? == image[100_000..400_000]);
    assert_eq!(store.source.running(), 1, "the bytes were returned before the end");
    let mut late = reads.get_range(450_000..600_000)?;
    let mut came = take(&mut late, 49_999)?;
    let ahead = reads.get_range(700_000..800_000)?;
    store.source.finish();
    late.read_to_end(&mut came)?;
    assert!(came == image[450_000..600_000]);
    assert!(read_all(ahead)? == image[700_000..800_000] && read_all(first)? == image[1..]);
    assert_eq!(store.source.opened(), 1);
    assert!(is_cached(temp));
    Ok(())
}

pub fn on_a_full_disk_every_reader_gets_all_bytes<R: Reads>(temp: &TempCache) -> Tested {
    let Some(mount) = Mount::tmpfs(3 * MIB as u64) else { return Ok(()) };
    let temp = &TempCache::at(temp.driver(), mount.path().join("cache"));
    let image = bytes(15, 8 * MIB + 3);
    let store = Store::of(&image);
    let reads = R::open(temp, &store, false)?;
    let readers = (0..3).map(|_| reads.get()).collect::<Tested<_>>()?;
    for (came, end) in read_together(readers) {
        end?;
        assert!(came == image, "{} bytes", came.len());
    }
    assert_nothing_cached(temp);
    reads.close()?;
    assert!(temp.names("invalid").is_empty());
    Ok(())
}
