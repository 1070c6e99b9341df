//! Push writing: a caller writes the bytes of an image, and nothing is cached before they are verified.

use crate::in_tokio::run;
use image_cache::tokio::AsyncImageCache;
use image_cache::{CacheFailure, Error, Expected, ImageCache, Outcome};
use image_cache_tests::{
    TempCache, Tested, bytes, fill, md5_hex, read_all, serve, with_both_drivers, wrong_md5,
};
use std::io::{self, Read, Write};
use tokio::io::AsyncWriteExt;

with_both_drivers![
    bytes_in_pieces_of_any_length_are_cached,
    nothing_is_cached_after_an_abort_or_a_drop,
    bytes_that_are_not_expected_are_refused,
    a_writer_that_failed_stays_in_error,
    a_reader_follows_a_writer_to_its_verdict,
    an_image_that_is_not_cacheable_is_only_verified,
    in_tokio_the_image_is_cached_at_the_finish_and_not_before,
    in_tokio_bytes_that_are_not_expected_are_refused,
];

fn expected(image: &[u8]) -> Result<Expected, image_cache::InvalidChecksum> {
    Expected::nothing().with_size(image.len() as u64).with_md5(&md5_hex(image))
}

/// Only files in `invalid/` may remain.
fn assert_undone(temp: &TempCache, cache: &ImageCache) -> Tested {
    assert!(cache.cached_images()?.is_empty());
    assert_eq!(temp.names("incomplete").len(), 0);
    assert_eq!(temp.records_in_sync().len(), 0);
    Ok(())
}

fn bytes_in_pieces_of_any_length_are_cached(temp: &TempCache) -> Tested {
    let cache = temp.open();
    for (size, piece) in
        [(0, 1), (1, 1), (10, 3), (600_000, 262_144), (700_001, 9_999), (300_000, 300_000)]
    {
        let (image, id) = (bytes(7, size), format!("image-{size}"));
        let mut writer = cache.begin(&id, expected(&image)?)?;
        for piece in image.chunks(piece) {
            writer.write_all(piece)?;
            assert_eq!(writer.write(&[])?, 0);
        }
        writer.flush()?;
        assert!(!cache.is_cached(&id)?);
        let Outcome::Cached(record) = writer.finish()? else { panic!("{id} is not cached") };
        assert_eq!(record.checksum.map(|md5| md5.value().to_owned()), Some(md5_hex(&image)));
        assert!(serve(&cache, &id)? == image);
    }
    Ok(())
}

fn nothing_is_cached_after_an_abort_or_a_drop(temp: &TempCache) -> Tested {
    let cache = temp.open();
    for is_dropped in [true, false] {
        let mut writer = cache.begin("a", Expected::nothing())?;
        writer.write_all(&bytes(1, 300_000))?;
        assert!(cache.is_being_cached("a")?);
        match is_dropped {
            true => drop(writer),
            false => writer.abort(),
        }
        assert_undone(temp, &cache)?;
        assert_eq!(std::fs::read(temp.path("invalid/a"))?, bytes(1, 300_000));
    }
    // The next writer needs no wait.
    let mut writer = cache.begin("a", Expected::nothing())?;
    writer.write_all(b"whole")?;
    assert!(matches!(writer.finish()?, Outcome::Cached(_)));
    Ok(())
}

fn bytes_that_are_not_expected_are_refused(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(2, 300_000));
    let wrong = Expected::nothing().with_md5(&wrong_md5(&image))?;
    let mut writer = cache.begin("a", wrong)?;
    writer.write_all(&image)?;
    assert!(matches!(writer.finish(), Err(Error::ChecksumMismatch { .. })));
    let mut writer = cache.begin("a", Expected::nothing().with_size(300_001))?;
    writer.write_all(&image)?;
    assert!(matches!(writer.finish(), Err(Error::SizeMismatch { found: 300_000, .. })));
    assert!(cache.begin("../a", Expected::nothing()).is_err());
    assert_undone(temp, &cache)
}

fn a_writer_that_failed_stays_in_error(temp: &TempCache) -> Tested {
    let cache = temp.open();
    let mut writer = cache.begin("a", Expected::nothing().with_size(4))?;
    writer.write_all(b"1234")?;
    let error = writer.write(b"5").expect_err("there are more bytes than expected");
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert!(matches!(Error::of_io(&error), Some(Error::SizeMismatch { expected: 4, .. })));
    assert_undone(temp, &cache)?;
    for error in [writer.write(b"6").map(drop), writer.flush()] {
        let error = error.expect_err("it has failed");
        assert!(matches!(Error::of_io(&error), Some(Error::WriterFailed { .. })), "{error}");
    }
    let error = writer.finish().expect_err("it has failed");
    assert!(error.to_string().contains("begin a new writer"), "{error}");
    assert_undone(temp, &cache)
}

fn a_reader_follows_a_writer_to_its_verdict(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(3, 500_000));
    let no_source = || -> io::Result<io::Empty> { Err(io::Error::other("it is not needed")) };
    let follow = || cache.get_or_fetch("a", Expected::nothing(), no_source);

    let mut writer = cache.begin("a", expected(&image)?)?;
    let (first, rest) = image.split_at(400_000);
    writer.write_all(first)?;
    writer.flush()?;
    let mut follower = follow()?;
    // The last byte that was written waits for more, or for the verdict.
    let mut begin = vec![0; 399_999];
    follower.read_exact(&mut begin)?;
    assert!(begin == first[..399_999]);
    writer.write_all(rest)?;
    writer.finish()?;
    assert!(read_all(follower)? == image[399_999..]);

    cache.delete_cached_image("a")?;
    let mut writer = cache.begin("a", Expected::nothing().with_md5(&wrong_md5(&image))?)?;
    writer.write_all(&image)?;
    let follower = follow()?;
    assert!(writer.finish().is_err());
    let error = read_all(follower).expect_err("the follower gets the same verdict");
    assert!(matches!(Error::of_io(&error), Some(Error::ChecksumMismatch { .. })), "{error}");
    Ok(())
}

fn an_image_that_is_not_cacheable_is_only_verified(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(4, 300_000));
    fill(&cache, "a", &image);
    let mut writer = cache.begin("a", expected(&image)?)?;
    assert_eq!(writer.bypass_reason(), Some(&Outcome::AlreadyCached));
    writer.write_all(&image)?;
    assert_eq!(writer.finish()?, Outcome::AlreadyCached);

    cache.reconfigure(|options| options.min_free(1 << 60))?;
    let mut writer = cache.begin("b", expected(&image)?)?;
    let full = |outcome: Option<&Outcome>| {
        matches!(outcome, Some(Outcome::CacheFailed(CacheFailure::Unwritable(_))))
    };
    assert!(full(writer.bypass_reason()), "{writer:?}");
    writer.write_all(&image)?;
    assert!(full(Some(&writer.finish()?)));
    let mut writer = cache.begin("b", Expected::nothing().with_md5(&wrong_md5(&image))?)?;
    writer.write_all(&image)?;
    assert!(matches!(writer.finish(), Err(Error::ChecksumMismatch { .. })));
    Ok(())
}

fn in_tokio_the_image_is_cached_at_the_finish_and_not_before(temp: &TempCache) -> Tested {
    let cache = temp.open();
    let asynchronous = AsyncImageCache::from(cache.clone());
    run(async {
        for (size, piece) in [(0, 1), (10, 3), (700_001, 9_999), (2_000_000, 600_000)] {
            let (image, id) = (bytes(5, size), format!("image-{size}"));
            let mut writer = asynchronous.begin(&id, expected(&image)?).await?;
            for piece in image.chunks(piece) {
                writer.write_all(piece).await?;
            }
            assert_eq!(writer.write(&[]).await?, 0);
            // Code that shuts down after an error must not publish.
            writer.shutdown().await?;
            assert!(!cache.is_cached(&id)?);
            assert!(matches!(writer.finish().await?, Outcome::Cached(_)), "{id}");
            assert!(serve(&cache, &id)? == image);
        }
        let mut writer = asynchronous.begin("dropped", Expected::nothing()).await?;
        writer.write_all(&bytes(6, 300_000)).await?;
        drop(writer);
        Ok::<_, Box<dyn std::error::Error>>(())
    })?;
    assert!(image_cache_tests::until(|| temp.names("invalid").contains("dropped")));
    assert!(!cache.is_cached("dropped")?);
    Ok(())
}

fn in_tokio_bytes_that_are_not_expected_are_refused(temp: &TempCache) -> Tested {
    let cache = temp.open();
    let asynchronous = AsyncImageCache::from(cache.clone());
    run(async {
        let image = bytes(8, 600_000);
        let wrong = Expected::nothing().with_md5(&wrong_md5(&image))?;
        let mut writer = asynchronous.begin("a", wrong).await?;
        writer.write_all(&image).await?;
        assert!(matches!(writer.finish().await, Err(Error::ChecksumMismatch { .. })));
        let mut writer = asynchronous.begin("a", Expected::nothing().with_size(10)).await?;
        writer.write_all(&[7; 10]).await?;
        // The bytes are taken at once; the next call has their error.
        let taken = async { writer.write_all(b"8").await.and(writer.flush().await) };
        let error = taken.await.expect_err("there are more bytes than expected");
        assert!(matches!(Error::of_io(&error), Some(Error::SizeMismatch { .. })), "{error}");
        let error = writer.write_all(b"9").await.expect_err("it has failed");
        assert!(matches!(Error::of_io(&error), Some(Error::WriterFailed { .. })), "{error}");
        assert!(matches!(writer.finish().await, Err(Error::WriterFailed { .. })));
        Ok::<_, Box<dyn std::error::Error>>(())
    })?;
    assert_undone(temp, &cache)
}
