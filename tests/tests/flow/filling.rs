//! Verification: the received bytes are compared with the expected size and checksum before the reader gets the last byte.

use image_cache::{Error, Expected, ImageCache, Outcome};
use image_cache_tests::{
    Source, TempCache, Tested, bytes, fill, md5_hex, read_all, read_until_error, serve,
    with_both_drivers, wrong_md5,
};
use std::fs;
use std::io;
use std::sync::atomic::Ordering;

with_both_drivers![
    the_last_byte_is_returned_only_with_a_correct_checksum,
    the_last_byte_is_returned_only_with_the_correct_length,
    a_source_that_never_ends_is_cut_off_at_the_expected_length,
    letter_case_and_an_empty_checksum_are_ignored,
    without_a_promise_the_digest_is_the_record_s_checksum,
    a_refused_file_is_only_in_invalid,
    draining_refuses_the_same_images_as_reading,
    a_read_that_bypasses_the_cache_is_also_verified,
    a_source_is_read_in_small_pieces,
];

/// The size of an internal block, around which there might be an off-by-one error.
const BLOCK: usize = 256 * 1024;

fn lengths() -> impl Iterator<Item = (usize, usize, usize)> {
    let small = [0, 1, 2, 3, 10].into_iter();
    let large = [BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 3 * BLOCK + 7].into_iter();
    // The size, the bytes of a read, and the maximum bytes that the source returns.
    let drops = small.flat_map(|size| {
        [(size, 1, 1), (size, 2, usize::MAX), (size, 100, 1), (size, 1, usize::MAX)]
    });
    let blocks = large
        .flat_map(|size| [(size, BLOCK, 1000), (size, 4099, usize::MAX), (size, 4 * BLOCK, BLOCK)]);
    drops.chain(blocks)
}

fn error_of(result: io::Result<()>) -> (io::ErrorKind, String) {
    let error = result.expect_err("the reader must hear of it");
    let inner = Error::of_io(&error).expect("it carries an error of the cache").to_string();
    (error.kind(), inner)
}

/// Only a file in `invalid/` may remain.
fn assert_refused(temp: &TempCache, cache: &ImageCache, id: &str) {
    assert!(!cache.is_cached(id).expect("the id is sound"), "{id}");
    assert_eq!(temp.records_in_sync().len(), 0);
    assert_eq!(temp.names("incomplete").len(), 0);
    assert!(temp.names("invalid").contains(id));
}

fn the_last_byte_is_returned_only_with_a_correct_checksum(temp: &TempCache) -> Tested {
    let cache = temp.open();
    for (n, (size, read, chunk)) in lengths().enumerate() {
        let (image, case) =
            (bytes(n as u64, size), format!("{size} bytes, {read} a read, {chunk} a chunk"));
        let source = || Source::of(&image[..]).in_chunks(chunk);

        let wrong = Expected::nothing().with_md5(&wrong_md5(&image))?;
        let mut reader = cache.caching_reader("a", source(), wrong)?;
        let (came, end) = read_until_error(&mut reader, read);
        let (kind, words) = error_of(end);
        assert_eq!((came.len() < size.max(1), image.starts_with(&came)), (true, true), "{case}");
        assert_eq!(kind, io::ErrorKind::InvalidData, "{case}");
        assert!(words.contains("image a") && words.contains(&md5_hex(&image)), "{case}: {words}");
        assert!(reader.outcome().is_none());
        let (more, end) = read_until_error(&mut reader, read);
        assert!(more.is_empty() && end.is_err(), "{case}: it stays in error");
        assert_refused(temp, &cache, "a");

        let right = Expected::nothing().with_md5(&md5_hex(&image))?;
        let mut reader = cache.caching_reader("a", source(), right)?;
        let (came, end) = read_until_error(&mut reader, read);
        end?;
        assert!(came == image, "{case}");
        assert!(
            matches!(reader.outcome(), Some(Outcome::Cached(record)) if record.size == size as u64),
            "{case}"
        );
        assert!(serve(&cache, "a")? == image, "{case}");
        cache.delete_cached_image("a")?;
    }
    Ok(())
}

fn the_last_byte_is_returned_only_with_the_correct_length(temp: &TempCache) -> Tested {
    let cache = temp.open();
    for (n, (size, read, chunk)) in lengths().enumerate() {
        let image = bytes(n as u64, size);
        let right = size as u64;
        for promised in
            [right.checked_sub(1), Some(right + 1), Some(0), Some(u64::MAX)].into_iter().flatten()
        {
            if promised == right {
                continue;
            }
            let case = format!("{promised} promised, {size} bytes, {read} a read, {chunk} a chunk");
            let source = Source::of(&image[..]).in_chunks(chunk);
            let expected = Expected::nothing().with_size(promised).with_md5(&md5_hex(&image))?;
            let (came, end) =
                read_until_error(&mut cache.caching_reader("a", source, expected)?, read);
            let (kind, words) = error_of(end);
            let most = (size as u64).min(promised).max(1);
            assert!(
                (came.len() as u64) < most && image.starts_with(&came),
                "{case}: {} came",
                came.len()
            );
            assert_eq!(kind, io::ErrorKind::InvalidData, "{case}");
            assert!(words.contains(&format!("{promised} bytes were expected")), "{case}: {words}");
            assert_refused(temp, &cache, "a");
        }
    }
    Ok(())
}

fn a_source_that_never_ends_is_cut_off_at_the_expected_length(temp: &TempCache) -> Tested {
    let cache = temp.open();
    let endless =
        cache.caching_reader("a", io::repeat(7), Expected::nothing().with_size(1_000_000))?;
    let (came, end) = read_until_error(&mut { endless }, 4096);
    assert!(came.len() < 1_000_000, "{} came", came.len());
    assert!(end.is_err());
    let error = cache
        .cache_image("a", io::repeat(7), Expected::nothing().with_size(1_000_000))
        .expect_err("it is refused");
    assert!(matches!(error, Error::SizeMismatch { expected: 1_000_000, .. }), "{error}");
    assert_refused(temp, &cache, "a");
    Ok(())
}

fn letter_case_and_an_empty_checksum_are_ignored(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(1, 1000));
    let md5 = md5_hex(&image);
    for (id, promised) in
        [("upper", md5.to_uppercase()), ("lower", md5.clone()), ("none", String::new())]
    {
        let expected = Expected::nothing().with_md5(&promised)?;
        assert!(matches!(cache.cache_image(id, &image[..], expected)?, Outcome::Cached(_)));
        assert_eq!(temp.records_in_sync()[id].checksum.as_ref(), Some(&md5), "kept in lower case");
    }
    Ok(())
}

fn without_a_promise_the_digest_is_the_record_s_checksum(temp: &TempCache) -> Tested {
    let cache = temp.open();
    for size in [0, 1, BLOCK, 2 * BLOCK + 1] {
        let image = bytes(2, size);
        let record = fill(&cache, "a", &image);
        assert_eq!(
            record.checksum.map(|sum| sum.value().to_owned()),
            Some(md5_hex(&image)),
            "{size} bytes"
        );
        assert_eq!(temp.records_in_sync()["a"].checksum, Some(md5_hex(&image)));
        cache.delete_cached_image("a")?;
    }
    Ok(())
}

fn a_refused_file_is_only_in_invalid(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(3, BLOCK + 5));
    cache.queue_image("a")?;
    let expected = Expected::nothing().with_md5(&wrong_md5(&image))?;
    assert!(read_all(cache.caching_reader("a", &image[..], expected)?).is_err());
    assert_refused(temp, &cache, "a");
    assert!(fs::read(temp.path("invalid/a"))? == image, "all of it, for an operator to inspect");
    assert!(cache.is_queued("a")? && cache.is_cacheable("a", None)?);
    fill(&cache, "a", &image);
    assert!(fs::read(temp.path("invalid/a"))? == image, "until it is cleaned");
    Ok(())
}

fn draining_refuses_the_same_images_as_reading(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(4, 5000));
    let md5 = Expected::nothing().with_md5(&wrong_md5(&image))?;
    let error = cache.cache_image("a", &image[..], md5).expect_err("it is refused");
    assert!(
        matches!(&error, Error::ChecksumMismatch { found, .. } if found.value() == md5_hex(&image)),
        "{error}"
    );
    for promised in [4999, 5001] {
        let error = cache
            .cache_image("a", &image[..], Expected::nothing().with_size(promised))
            .expect_err("it is refused");
        assert!(
            matches!(error, Error::SizeMismatch { expected, .. } if expected == promised),
            "{error}"
        );
    }
    assert_refused(temp, &cache, "a");
    Ok(())
}

fn a_read_that_bypasses_the_cache_is_also_verified(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(5, 5000));
    fill(&cache, "cached", &image);
    let _writer = cache.caching_reader("coming", &image[..], Expected::nothing())?;
    let outcomes = [("cached", Outcome::AlreadyCached), ("coming", Outcome::BeingCached)];
    for (id, outcome) in outcomes {
        let right = Expected::nothing().with_md5(&md5_hex(&image))?.with_size(5000);
        let mut reader = cache.caching_reader(id, &image[..], right)?;
        let (came, end) = read_until_error(&mut reader, 999);
        end?;
        assert_eq!((came == image, reader.outcome()), (true, Some(&outcome)));
        let md5 = Expected::nothing().with_md5(&wrong_md5(&image))?;
        for expected in
            [md5, Expected::nothing().with_size(4999), Expected::nothing().with_size(5001)]
        {
            let (came, end) =
                read_until_error(&mut cache.caching_reader(id, &image[..], expected)?, 1);
            assert_eq!(error_of(end).0, io::ErrorKind::InvalidData);
            assert!(came.len() < 5000, "{} came", came.len());
        }
    }
    assert_eq!((serve(&cache, "cached")? == image, temp.names("invalid").len()), (true, 0));
    assert_eq!(temp.records_in_sync()["cached"].checksum, Some(md5_hex(&image)));
    Ok(())
}

fn a_source_is_read_in_small_pieces(temp: &TempCache) -> Tested {
    let cache = temp.open();
    let source = Source::of(bytes(6, 20 * BLOCK));
    let most_asked = source.most_asked();
    assert!(matches!(cache.cache_image("a", source, Expected::nothing())?, Outcome::Cached(_)));
    assert!(most_asked.load(Ordering::Relaxed) <= 1 << 20, "{most_asked:?} bytes at once");
    Ok(())
}
