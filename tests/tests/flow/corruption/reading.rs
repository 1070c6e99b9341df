//! Readers of a damaged image get an error before a damaged byte, for whole images and ranges, synchronous or not.

use super::{MIB, digests, flip, refused};
use crate::in_tokio::{collect, run};
use image_cache::tokio::AsyncImageCache;
use image_cache::{Error, ImageCache};
use image_cache_tests::{
    TempCache, Tested, bytes, fill, listed, read_all, read_until_error, serve, with_both_drivers,
};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;

with_both_drivers![
    a_flipped_bit_is_an_error_before_its_block_and_the_image_leaves_the_cache,
    a_range_is_held_to_the_blocks_that_it_serves,
    a_block_that_was_verified_is_not_read_again,
    a_reader_that_seeks_or_sips_gets_verified_bytes,
    a_file_cut_short_under_its_reader_is_an_error_and_no_hit,
    asynchronous_readers_get_verified_bytes_too,
    verification_can_be_switched_off,
    readers_of_an_image_that_is_replaced_again_and_again_are_not_alarmed,
];

fn a_flipped_bit_is_an_error_before_its_block_and_the_image_leaves_the_cache(
    temp: &TempCache,
) -> Tested {
    let (cache, image) = (temp.open(), bytes(1, 2 * MIB + 5000));
    for at in [0, MIB as u64 - 1, MIB as u64, 2 * MIB as u64, 2 * MIB as u64 + 4999] {
        fill(&cache, "a", &image);
        fill(&cache, "other", b"image");
        flip(&temp.path("a"), at)?;
        let damaged = fs::read(temp.path("a"))?;
        let whole = usize::try_from(at)? / MIB * MIB;
        assert!(refused(&cache, "a") == image[..whole], "bit in byte {at}");
        assert_eq!((cache.is_cached("a")?, cache.hit_count("a")?), (false, 0));
        assert_eq!(listed(&cache), ["other"]);
        temp.records_in_sync();
        assert!(fs::read(temp.path("invalid/a"))? == damaged, "for an operator to inspect");
        let reason = cache.invalid_reason("a")?.ok_or("the file says why")?;
        assert!(reason.contains(&format!("bytes {whole} to ")), "{reason}");
        cache.delete_cached_image("other")?;
    }
    assert_eq!(digests(temp), 0);
    Ok(())
}

fn a_range_is_held_to_the_blocks_that_it_serves(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(4, 3 * MIB));
    fill(&cache, "a", &image);
    flip(&temp.path("a"), 2 * MIB as u64 + 7)?;
    for range in [0..MIB, 10..20, MIB - 1..MIB + 1, MIB..2 * MIB, 2 * MIB - 1..2 * MIB] {
        let reader = cache.open_range("a", range.start as u64..range.end as u64)?;
        assert!(read_all(reader.ok_or("it is cached")?)? == image[range.clone()], "{range:?}");
    }
    assert!(cache.is_cached("a")?);
    // Another byte of the damaged block.
    let range = 2 * MIB as u64 - 1..2 * MIB as u64 + 1;
    let mut reader = cache.open_range("a", range)?.ok_or("it is cached")?;
    let (came, end) = read_until_error(&mut reader, 10);
    assert!(came == image[2 * MIB - 1..2 * MIB] && end.is_err());
    assert!(!cache.is_cached("a")?);
    Ok(())
}

fn a_block_that_was_verified_is_not_read_again(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(5, 2 * MIB));
    fill(&cache, "a", &image);
    let mut reader = cache.open_for_read("a")?.ok_or("it is cached")?;
    let mut start = [0; 100];
    reader.read_exact(&mut start)?;
    flip(&temp.path("a"), 50_000)?;
    let mut rest = vec![0; MIB - 100];
    for piece in rest.chunks_mut(4096) {
        reader.read_exact(piece)?;
    }
    assert!([&start[..], &rest].concat() == image[..MIB]);
    reader.rewind()?;
    reader.read_exact(&mut start)?;
    assert!(start == image[..100], "the one block that is kept");
    reader.seek(SeekFrom::Start(MIB as u64))?;
    reader.read_exact(&mut start)?;
    reader.rewind()?;
    assert!(reader.read(&mut start).is_err(), "it was dropped for another one");
    Ok(())
}

fn a_reader_that_seeks_or_sips_gets_verified_bytes(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(6, 3 * MIB + 12_345));
    fill(&cache, "a", &image);
    for size in [1000, 4096, 65_536, MIB - 1, MIB, MIB + 1, 2 * MIB + 100, 5 * MIB] {
        let mut reader = cache.open_for_read("a")?.ok_or("it is cached")?;
        let (came, end) = read_until_error(&mut reader, size);
        end?;
        assert!(came == image, "a buffer of {size}");
        for at in [2 * MIB + 5, 0, MIB - 3, MIB, 3 * MIB, 5] {
            reader.seek(SeekFrom::Start(at as u64))?;
            let mut piece = vec![0; size.min(image.len() - at)];
            reader.read_exact(&mut piece)?;
            assert!(piece == image[at..at + piece.len()], "{size} bytes at {at}");
        }
    }
    Ok(())
}

fn a_file_cut_short_under_its_reader_is_an_error_and_no_hit(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(7, 3 * MIB));
    fill(&cache, "a", &image);
    let mut reader = cache.open_for_read("a")?.ok_or("it is cached")?;
    reader.read_exact(&mut [0; 10])?;
    File::options().write(true).open(temp.path("a"))?.set_len(2 * MIB as u64 + 9)?;
    let (came, end) = read_until_error(&mut reader, 4096);
    assert!(came == image[10..2 * MIB]);
    assert_eq!(end.map_err(|e| e.kind()), Err(ErrorKind::InvalidData));
    assert_eq!((cache.is_cached("a")?, cache.hit_count("a")?), (false, 0));
    let reason = cache.invalid_reason("a")?.ok_or("the file says why")?;
    assert!(reason.contains("cut short"), "{reason}");
    temp.records_in_sync();
    Ok(())
}

fn asynchronous_readers_get_verified_bytes_too(temp: &TempCache) -> Tested {
    let image = bytes(24, 2 * MIB + 100);
    let damaged = |cache: &ImageCache| -> io::Result<()> {
        cache.delete_cached_image("a")?;
        fill(cache, "a", &image);
        flip(&temp.path("a"), 2 * MIB as u64)
    };
    let cache = temp.open();
    let tokio = AsyncImageCache::from(cache.clone());
    run(async {
        fill(&cache, "a", &image);
        let range = 5..2 * MIB as u64 + 50;
        let stream = tokio.stream_range("a", range.clone()).await?.ok_or("it is cached")?;
        let (came, end) = collect(stream).await;
        assert!(end.is_ok() && came == image[5..2 * MIB + 50]);
        damaged(&cache)?;
        let stream = tokio.stream_range("a", range).await?.ok_or("it is cached")?;
        let (came, end) = collect(stream).await;
        assert!(came == image[5..2 * MIB]);
        let error = end.expect_err("it is damaged");
        assert!(matches!(Error::of_io(&error), Some(Error::Corrupt { .. })), "{error}");
        assert!(!cache.is_cached("a")?);
        damaged(&cache)?;
        let mut reader = tokio.open_for_read("a").await?.ok_or("it is cached")?;
        let mut came = Vec::new();
        assert!(reader.read_to_end(&mut came).await.is_err() && came == image[..2 * MIB]);
        assert_eq!((cache.is_cached("a")?, cache.hit_count("a")?), (false, 0));
        Ok(())
    })
}

fn verification_can_be_switched_off(temp: &TempCache) -> Tested {
    let image = bytes(20, MIB);
    let cache = temp.open_with(|config| config.verify_reads(false));
    fill(&cache, "a", &image);
    flip(&temp.path("a"), 5)?;
    assert!(serve(&cache, "a")? != image);
    drop(cache);
    // The digests were written nevertheless.
    refused(&temp.open(), "a");
    Ok(())
}

/// The digests of a new image must not be used for a reader that has the previous image open.
fn readers_of_an_image_that_is_replaced_again_and_again_are_not_alarmed(
    temp: &TempCache,
) -> Tested {
    let temp = &TempCache::in_memory(temp.driver());
    let (cache, other) = (temp.open(), temp.open());
    let images: Vec<Vec<u8>> = (0..2).map(|seed| bytes(21 + seed, 2000)).collect();
    fill(&cache, "a", &images[0]);
    let end = Instant::now() + Duration::from_secs(2);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    while Instant::now() < end {
                        if let Some(reader) = other.open_for_read("a").expect("it is whole") {
                            let came = read_all(reader).expect("it is whole");
                            assert!(images.contains(&came));
                        }
                    }
                })
            })
            .collect();
        for image in images.iter().cycle().skip(1) {
            if Instant::now() >= end {
                break;
            }
            cache.delete_cached_image("a").expect("it can be deleted");
            fill(&cache, "a", image);
        }
        readers.into_iter().for_each(|reader| reader.join().expect("no reader fails"));
    });
    assert!(!temp.path("invalid/a").exists());
    Ok(())
}
