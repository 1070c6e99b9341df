//! Cached images as open files: `sendfile` sends their bytes, and damage is found before.

use crate::corruption::flip;
use image_cache::{CachedFile, Damage, Error, ImageCache};
use image_cache_tests::{TempCache, Tested, bytes, fill, with_both_drivers};
use rustix::fs::sendfile;
use std::fs::{self, File};
use std::io::{Read, Seek};
use std::os::unix::net::UnixStream;

with_both_drivers![
    the_system_sends_a_cached_image_and_the_read_is_a_hit,
    a_range_is_sent_from_its_offset,
    a_damaged_image_is_refused_before_a_byte_is_sent,
    each_part_can_be_verified_just_before_it_is_sent,
    damage_after_the_verification_is_found_by_the_next_one,
    a_file_that_became_shorter_is_refused,
    an_image_stays_while_its_file_is_open,
    without_verification_the_file_says_so,
];

const MIB: u64 = 1 << 20;

fn open(cache: &ImageCache, id: &str) -> CachedFile {
    let reader = cache.open_for_read(id).expect("it can be opened").expect("it is cached");
    reader.into_file().expect("it is undamaged")
}

/// Sends the whole range through a socket; the bytes that arrive.
fn send(file: &CachedFile) -> Tested<Vec<u8>> {
    let (client, mut other_side) = UnixStream::pair()?;
    let receive = std::thread::spawn(move || {
        let mut all = Vec::new();
        other_side.read_to_end(&mut all).map(|_| all)
    });
    let mut at = file.range().start;
    while at < file.range().end {
        let left = usize::try_from(file.range().end - at)?;
        if sendfile(&client, file, Some(&mut at), left)? == 0 {
            break;
        }
    }
    drop(client);
    Ok(receive.join().expect("the thread ends")?)
}

fn corrupt(result: image_cache::Result<impl std::fmt::Debug>) -> Damage {
    match result {
        Err(Error::Corrupt { damage, .. }) => damage,
        other => panic!("it is not refused as damaged: {other:?}"),
    }
}

fn the_system_sends_a_cached_image_and_the_read_is_a_hit(temp: &TempCache) -> Tested {
    let cache = temp.open();
    for (id, size) in [("empty", 0), ("small", 5), ("blocks", 3 * (1 << 20)), ("large", 5_000_001)]
    {
        let image = bytes(size as u64, size);
        fill(&cache, id, &image);
        let file = open(&cache, id);
        assert_eq!((file.range(), file.image_size()), (0..size as u64, size as u64));
        assert!(file.has_digests() && send(&file)? == image, "{id}");
        drop(file);
        assert_eq!(cache.hit_count(id)?, 0, "the cache cannot know that it was sent");
        let file = open(&cache, id);
        assert!(send(&file)? == image, "{id}");
        file.count_hit();
        assert_eq!(cache.hit_count(id)?, 1, "{id}");
    }
    assert_eq!(cache.counters().bytes_from_cache, 5 + 3 * MIB + 5_000_001);
    Ok(())
}

fn a_range_is_sent_from_its_offset(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(2, 3_000_000));
    fill(&cache, "a", &image);
    let reader = cache.open_range("a", 1_500_000..9_000_000)?.ok_or("it is cached")?;
    let file = reader.into_file()?;
    assert!(file.range() == (1_500_000..3_000_000) && send(&file)? == image[1_500_000..]);
    // The bytes that a reader has returned are not sent again.
    let mut reader = cache.open_range("a", 10..2_000_000)?.ok_or("it is cached")?;
    reader.read_exact(&mut [0; 90])?;
    let file = reader.into_file()?;
    assert!(file.range() == (100..2_000_000) && send(&file)? == image[100..2_000_000]);
    let mut past = cache.open_for_read("a")?.ok_or("it is cached")?;
    past.seek(std::io::SeekFrom::Start(5_000_000))?;
    assert!(past.into_file()?.range().is_empty());
    Ok(())
}

fn a_damaged_image_is_refused_before_a_byte_is_sent(temp: &TempCache) -> Tested {
    let cache = temp.open();
    fill(&cache, "a", &bytes(3, 5_000_000));
    flip(&temp.path("a"), 4_999_999)?;
    let reader = cache.open_for_read("a")?.ok_or("it is cached")?;
    let damage = corrupt(reader.into_file());
    assert_eq!(damage, Damage::Bytes { start: 4 * MIB, end: 5_000_000 });
    assert!(!cache.is_cached("a")? && temp.names("invalid").contains("a"));
    Ok(())
}

fn each_part_can_be_verified_just_before_it_is_sent(temp: &TempCache) -> Tested {
    let cache = temp.open();
    fill(&cache, "a", &bytes(4, 5 << 20));
    flip(&temp.path("a"), 2 * MIB)?;
    let file = cache.open_for_read("a")?.ok_or("it is cached")?.into_file_unverified();
    // Exactly the blocks that contain the part are verified.
    file.verify(0..2 * MIB)?;
    file.verify(3 * MIB..u64::MAX)?;
    file.verify(7 * MIB..8 * MIB)?;
    file.verify(2 * MIB..2 * MIB)?;
    assert!(cache.is_cached("a")?);
    for part in [2 * MIB..2 * MIB + 1, 3 * MIB - 1..3 * MIB, 2 * MIB - 1..2 * MIB + 1] {
        let damage = corrupt(file.verify(part));
        assert_eq!(damage, Damage::Bytes { start: 2 * MIB, end: 3 * MIB });
    }
    assert!(!cache.is_cached("a")?);
    Ok(())
}

fn damage_after_the_verification_is_found_by_the_next_one(temp: &TempCache) -> Tested {
    let cache = temp.open();
    fill(&cache, "a", &bytes(5, 100_000));
    let file = open(&cache, "a");
    flip(&temp.path("a"), 50_000)?;
    corrupt(file.verify(file.range()));
    Ok(())
}

fn a_file_that_became_shorter_is_refused(temp: &TempCache) -> Tested {
    let cache = temp.open();
    fill(&cache, "a", &bytes(6, 3 << 20));
    let file = open(&cache, "a");
    File::options().write(true).open(temp.path("a"))?.set_len(100)?;
    assert_eq!(corrupt(file.verify(2 * MIB..3 * MIB)), Damage::CutShort { expected: 3 * MIB });
    Ok(())
}

fn an_image_stays_while_its_file_is_open(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open_with(|config| config.max_size(0)), bytes(7, 1000));
    fill(&cache, "a", &image);
    let file = open(&cache, "a");
    assert_eq!((cache.prune()?.images, cache.is_cached("a")?), (0, true), "it is being sent");
    // A deletion does not wait, but the open file keeps its bytes.
    assert!(cache.delete_cached_image("a")? && send(&file)? == image);
    file.count_hit();
    fill(&cache, "a", &image);
    drop(open(&cache, "a"));
    assert_eq!((cache.prune()?.images, cache.is_cached("a")?), (1, false));
    Ok(())
}

fn without_verification_the_file_says_so(temp: &TempCache) -> Tested {
    let cache = temp.open_with(|config| config.verify_reads(false));
    let mut image = bytes(8, 1000);
    fill(&cache, "a", &image);
    image[10] ^= 1;
    fs::write(temp.path("a"), &image)?;
    let file = open(&cache, "a");
    assert!(!file.has_digests() && send(&file)? == image);
    File::options().write(true).open(temp.path("a"))?.set_len(100)?;
    assert!(matches!(file.verify(0..1000), Err(Error::Truncated { .. })));
    Ok(())
}
