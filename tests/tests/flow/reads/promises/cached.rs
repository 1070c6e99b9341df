//! Guarantees for the readers of a cached image.

use super::super::{Reads, Store};
use super::{MIB, assert_leaves, assert_nothing_cached, is_cached, take};
use image_cache_tests::{TempCache, Tested, bytes, read_all, read_until_error, set_times};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

/// An open cache with the image in it.
fn cached<R: Reads>(temp: &TempCache, image: &[u8]) -> Tested<(R, Store)> {
    let store = Store::of(image);
    let reads = R::open(temp, &store, false)?;
    assert!(read_all(reads.get()?)? == image);
    assert!(is_cached(temp));
    Ok((reads, store))
}

pub fn a_cached_image_needs_no_source_and_each_read_counts_once<R: Reads>(
    temp: &TempCache,
) -> Tested {
    let image = bytes(9, 2 * MIB + 5);
    let (reads, store) = cached::<R>(temp, &image)?;
    for size in [999, 5000, 1 << 20] {
        let (came, end) = read_until_error(&mut reads.get()?, size);
        end?;
        assert!(came == image, "with {size} bytes at a time");
    }
    assert_eq!(store.source.opened(), 1);
    assert_leaves(reads, temp, &store, 3)
}

pub fn an_abandoned_read_counts_nothing_and_leaves_the_times_alone<R: Reads>(
    temp: &TempCache,
) -> Tested {
    let image = bytes(10, R::BUFFERED + 10_000);
    let (reads, store) = cached::<R>(temp, &image)?;
    let long_ago = SystemTime::now() - Duration::from_secs(100_000);
    set_times(&temp.path("a"), long_ago, fs::metadata(temp.path("a"))?.modified()?)?;
    let times = || {
        fs::metadata(temp.path("a")).map(|m| (m.atime(), m.atime_nsec(), m.mtime(), m.mtime_nsec()))
    };
    let (before, record) = (times()?, temp.records()["a"].clone());
    for taken in [0, 1, 5000, 9999] {
        let mut reader = reads.get()?;
        assert!(take(&mut reader, taken)? == image[..taken]);
        drop(reader);
        assert_eq!(times()?, before, "{taken} bytes taken");
    }
    assert_eq!(temp.records()["a"], record);
    assert_leaves(reads, temp, &store, 0)
}

pub fn ranges_of_a_cached_image_are_exact_and_count_once_each<R: Reads>(
    temp: &TempCache,
) -> Tested {
    let image = bytes(11, 2 * MIB + 1000);
    let (reads, store) = cached::<R>(temp, &image)?;
    let ranges = [0..1, 1000..3000, 0..image.len(), MIB..2 * MIB, image.len() - 1..image.len()];
    for range in ranges.clone() {
        let reader = reads.get_range(range.start as u64..range.end as u64)?;
        assert!(read_all(reader)? == image[range.clone()], "{range:?}");
    }
    let beyond = reads.get_range(image.len() as u64 - 10..u64::MAX)?;
    assert!(read_all(beyond)? == image[image.len() - 10..], "it is cut to the image");
    assert_eq!(store.source.opened(), 1);
    assert_leaves(reads, temp, &store, ranges.len() as u64 + 1)
}

pub fn a_damaged_byte_is_never_returned<R: Reads>(temp: &TempCache) -> Tested {
    let image = bytes(13, 3 * MIB + 5000);
    let (reads, _) = cached::<R>(temp, &image)?;
    crate::corruption::flip(&temp.path("a"), 2 * MIB as u64 + 7)?;
    let sound = reads.get_range(10..2 * MIB as u64)?;
    assert!(read_all(sound)? == image[10..2 * MIB], "other blocks are served");
    let (came, end) = read_until_error(&mut reads.get()?, 10_000);
    // The service fetches the block again; the library has no source for it.
    assert!(image.starts_with(&came) && came.len() >= 2 * MIB);
    assert!(end.is_err() || came == image, "{} bytes are no whole image", came.len());
    Ok(())
}

pub fn a_deleted_image_is_read_to_its_end<R: Reads>(temp: &TempCache) -> Tested {
    let image = bytes(14, R::BUFFERED + 100_000);
    let (reads, _) = cached::<R>(temp, &image)?;
    let mut reader = reads.get()?;
    take(&mut reader, 10)?;
    assert!(temp.open().delete_cached_image("a")?);
    assert!(read_all(reader)? == image[10..]);
    reads.close()?;
    assert_nothing_cached(temp);
    Ok(())
}
