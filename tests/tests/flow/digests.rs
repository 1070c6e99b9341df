//! Several expected checksums: all are verified in one pass, and the last byte waits for all of them.

use super::corruption::{only_digests, refused};
use super::in_tokio::{collect, run};
use super::single_flight::not_needed;
use bytes::Bytes;
use futures_util::stream;
use image_cache::tokio::AsyncImageCache;
use image_cache::{
    Checksum, ChecksumAlgorithm, Error, Expected, FetchReader, ImageCache, Outcome, Route, Trust,
};
use image_cache_tests::{
    TempCache, Tested, ThrottledSource, bytes, digest, fill, md5_hex, read_all, read_until_error,
    serve, with_both_drivers, wrong_digest,
};
use std::fs;
use std::io::{self, ErrorKind, Read};

with_both_drivers![
    every_set_of_right_checksums_caches_the_image,
    one_wrong_checksum_of_several_withholds_the_last_byte,
    the_error_names_the_first_wrong_algorithm,
    a_read_that_bypasses_the_cache_verifies_every_algorithm,
    a_reader_that_continues_without_the_cache_verifies_every_algorithm,
    all_readers_of_a_shared_fetch_get_the_same_verdict,
    a_follower_s_checksum_is_compared_if_the_fetch_computes_it,
    a_cached_image_is_compared_with_the_checksum_in_its_record,
    a_recorded_checksum_of_any_algorithm_is_verified_if_there_are_no_digests,
    tokio_streams_verify_every_algorithm,
];

use ChecksumAlgorithm::{Md5, Sha256, Sha512};

/// One that is hashed by the reader's thread, and one that is hashed by threads of their own.
const SIZES: [usize; 2] = [5000, 900_001];

/// Every set of algorithms.
fn sets() -> impl Iterator<Item = Vec<ChecksumAlgorithm>> {
    let is_in = |set: u32, nth: usize| set & (1 << nth) != 0;
    let all = ChecksumAlgorithm::ALL;
    (0..1 << all.len()).map(move |set| {
        all.iter().enumerate().filter(|(nth, _)| is_in(set, *nth)).map(|(_, it)| *it).collect()
    })
}

/// Expects the digests of these algorithms; those in `wrong` are not the image's.
fn expecting(
    image: &[u8],
    algorithms: &[ChecksumAlgorithm],
    wrong: &[ChecksumAlgorithm],
) -> Expected {
    let checksum = |algorithm: &ChecksumAlgorithm| match wrong.contains(algorithm) {
        true => wrong_digest(*algorithm, image),
        false => digest(*algorithm, image),
    };
    algorithms.iter().map(checksum).fold(Expected::nothing(), Expected::with_checksum)
}

/// The algorithm that an error names, after checking both of its digests.
fn named(error: &Error, image: &[u8]) -> ChecksumAlgorithm {
    let Error::ChecksumMismatch { expected, found, .. } = error else {
        panic!("another error: {error}")
    };
    let algorithm = expected.algorithm();
    assert_eq!(*expected, wrong_digest(algorithm, image));
    assert_eq!(*found, digest(algorithm, image));
    let words = format!("image a: {algorithm} {expected} was expected, but the source returned");
    assert!(error.to_string().starts_with(&words), "{error}");
    algorithm
}

/// The algorithm that a reader's error names.
fn named_by(error: &io::Error, image: &[u8]) -> ChecksumAlgorithm {
    assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
    named(Error::of_io(error).expect("an error of the cache"), image)
}

/// Asserts that a reader that expects these algorithms, one of them with a wrong digest, gets all bytes except the last one, and an
/// error that names the wrong one.
fn assert_last_byte_withheld(
    cache: &ImageCache,
    image: &[u8],
    algorithms: &[ChecksumAlgorithm],
    wrong: ChecksumAlgorithm,
) -> Tested {
    let expected = expecting(image, algorithms, &[wrong]);
    let mut reader = cache.caching_reader("a", image, expected)?;
    let (came, end) = read_until_error(&mut reader, 100_000);
    let size = image.len();
    assert!(came == image[..size - 1], "{} of {size} bytes, {algorithms:?}", came.len());
    assert_eq!(named_by(&end.expect_err("it is refused"), image), wrong, "{algorithms:?}");
    Ok(())
}

/// Asserts that nothing is cached, and that the refused image is in `invalid/`; removes it.
fn assert_refused(temp: &TempCache, cache: &ImageCache, image: &[u8]) -> Tested {
    assert!(!cache.is_cached("a")? && !cache.is_being_cached("a")?);
    assert!(temp.records_in_sync().is_empty() && temp.names("incomplete").is_empty());
    assert!(fs::read(temp.path("invalid/a"))? == image);
    assert_eq!(cache.clean(None)?.invalid, 1);
    Ok(())
}

fn every_set_of_right_checksums_caches_the_image(temp: &TempCache) -> Tested {
    let cache = temp.open();
    for size in SIZES {
        let image = bytes(1, size);
        for set in sets() {
            let mut reader = cache.caching_reader("a", &image[..], expecting(&image, &set, &[]))?;
            let (came, end) = read_until_error(&mut reader, 100_000);
            end?;
            assert!(came == image, "{size} bytes, {set:?}");
            assert!(matches!(reader.outcome(), Some(Outcome::Cached(_))), "{set:?}");
            assert_eq!(temp.records_in_sync()["a"].checksum, Some(md5_hex(&image)), "{set:?}");
            assert!(cache.delete_cached_image("a")?);
        }
    }
    Ok(())
}

fn one_wrong_checksum_of_several_withholds_the_last_byte(temp: &TempCache) -> Tested {
    let cache = temp.open();
    for size in SIZES {
        let image = bytes(2, size);
        for set in sets() {
            for wrong in &set {
                assert_last_byte_withheld(&cache, &image, &set, *wrong)?;
                assert_refused(temp, &cache, &image)?;
            }
        }
    }
    assert_eq!(cache.counters().checksum_failures, 2 * 12, "each algorithm is in 4 of 8 sets");
    Ok(())
}

fn the_error_names_the_first_wrong_algorithm(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(3, SIZES[1]));
    let all = ChecksumAlgorithm::ALL;
    for wrong in sets().filter(|wrong| wrong.len() > 1) {
        for _ in 0..5 {
            let refused = cache.cache_image("a", &image[..], expecting(&image, all, &wrong));
            assert_eq!(named(&refused.expect_err("it is refused"), &image), wrong[0], "{wrong:?}");
        }
        assert_refused(temp, &cache, &image)?;
    }
    Ok(())
}

fn a_read_that_bypasses_the_cache_verifies_every_algorithm(temp: &TempCache) -> Tested {
    let cache = temp.open();
    for size in SIZES {
        let image = bytes(4, size);
        fill(&cache, "a", &image);
        for set in sets() {
            let mut reader = cache.caching_reader("a", &image[..], expecting(&image, &set, &[]))?;
            assert!(read_all(&mut reader)? == image);
            assert_eq!(reader.outcome(), Some(&Outcome::AlreadyCached));
            for wrong in &set {
                assert_last_byte_withheld(&cache, &image, &set, *wrong)?;
            }
        }
        assert!(serve(&cache, "a")? == image, "the cached image stays");
        cache.delete_cached_image("a")?;
    }
    Ok(())
}

/// The cache fails after threads have started to hash.
fn a_reader_that_continues_without_the_cache_verifies_every_algorithm(temp: &TempCache) -> Tested {
    let image = bytes(5, 2_000_000);
    let cache = temp.open_with(|config| config.max_size(1_000_000).hard_limit(true));
    for wrong in [None, Some(Sha256), Some(Sha512)] {
        let expected = expecting(&image, &[Sha256, Sha512], wrong.as_slice());
        let mut reader = cache.caching_reader("a", &image[..], expected)?;
        let (came, end) = read_until_error(&mut reader, 100_000);
        match wrong {
            None => {
                end?;
                assert!(came == image, "the reader gets every byte");
                let outcome = reader.outcome();
                assert!(matches!(outcome, Some(Outcome::CacheFailed(_))), "{outcome:?}");
            }
            Some(wrong) => {
                assert!(came.len() < image.len());
                assert_eq!(named_by(&end.expect_err("it is refused"), &image), wrong);
            }
        }
        assert!(!cache.is_cached("a")?);
    }
    Ok(())
}

fn all_readers_of_a_shared_fetch_get_the_same_verdict(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(6, SIZES[1]));
    let set = [Md5, Sha512];
    for wrong in [None, Some(Sha512)] {
        let throttled = ThrottledSource::new(&image[..]);
        throttled.allow(image.len() / 2);
        let expected = expecting(&image, &set, wrong.as_slice());
        let mut readers = Vec::new();
        for _ in 0..4 {
            readers.push(cache.get_or_fetch("a", expected.clone(), throttled.fetch())?);
        }
        readers[0].read_exact(&mut [0; 1])?;
        let read = |mut reader: FetchReader| read_until_error(&mut reader, 50_000);
        let results: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                readers.into_iter().map(|reader| scope.spawn(move || read(reader))).collect();
            throttled.finish();
            threads.into_iter().map(|thread| thread.join().expect("no reader panics")).collect()
        });
        for (nth, (came, end)) in results.into_iter().enumerate() {
            let start = usize::from(nth == 0);
            match wrong {
                None => {
                    end?;
                    assert!(came == image[start..], "reader {nth}");
                }
                Some(wrong) => {
                    assert!(came.len() < image.len() - start, "reader {nth}");
                    assert_eq!(named_by(&end.expect_err("it is refused"), &image), wrong);
                }
            }
        }
        assert_eq!(throttled.opened(), 1);
        match wrong {
            None => assert!(cache.delete_cached_image("a")?),
            Some(_) => assert_refused(temp, &cache, &image)?,
        }
    }
    Ok(())
}

/// A fetch computes its MD5 and what its first reader expects. What only a follower expects is not known.
fn a_follower_s_checksum_is_compared_if_the_fetch_computes_it(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(7, SIZES[1]));
    for (wrong, is_compared) in [(Md5, true), (Sha512, true), (Sha256, false)] {
        let throttled = ThrottledSource::new(&image[..]);
        throttled.allow(1000);
        let first = expecting(&image, &[Sha512], &[]);
        let mut first = cache.get_or_fetch("a", first, throttled.fetch())?;
        first.read_exact(&mut [0; 10])?;
        let other = expecting(&image, &[wrong], &[wrong]);
        let mut follower = cache.get_or_fetch("a", other, not_needed)?;
        assert_eq!(follower.route(), Route::Shared);
        throttled.finish();
        assert!(read_all(&mut first)? == image[10..]);
        let (came, end) = read_until_error(&mut follower, 100_000);
        match is_compared {
            true => {
                assert!(came.len() < image.len(), "{wrong}");
                assert_eq!(named_by(&end.expect_err("it is refused"), &image), wrong);
            }
            false => {
                end?;
                assert!(came == image, "{wrong}");
            }
        }
        assert!(serve(&cache, "a")? == image, "the image is the one that its fetch expected");
        cache.delete_cached_image("a")?;
    }
    Ok(())
}

/// A record has one checksum: the MD5, if this cache fetched the image.
fn a_cached_image_is_compared_with_the_checksum_in_its_record(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(8, 5000));
    cache.cache_image("a", &image[..], expecting(&image, &[Sha512], &[]))?;
    for wrong in [Sha256, Sha512] {
        let expected = expecting(&image, &[wrong], &[wrong]);
        let reader = cache.get_or_fetch("a", expected, not_needed)?;
        assert_eq!(reader.route(), Route::Cached, "{wrong} is not known");
        assert!(read_all(reader)? == image);
    }
    let expected = expecting(&image, &[Md5, Sha512], &[Md5]);
    let source = io::Cursor::new(image.clone());
    let mut reader = cache.get_or_fetch("a", expected, move || Ok(source))?;
    assert_eq!(reader.route(), Route::Passing, "it is another image");
    let (_, end) = read_until_error(&mut reader, 100_000);
    assert_eq!(named_by(&end.expect_err("the source has the same bytes"), &image), Md5);
    Ok(())
}

/// Replaces the checksum in the record of an image, as another program may.
fn set_checksum(temp: &TempCache, checksum: &Checksum) -> Tested {
    if temp.driver() == "sqlite" {
        let set = "UPDATE cached_images SET checksum = ? WHERE image_id = 'a'";
        assert_eq!(temp.database().execute(set, [checksum.value()])?, 1);
        return Ok(());
    }
    let name = "user.checksum";
    let recorded = xattr::get(temp.path("a"), name)?.ok_or("it has a checksum")?;
    let recorded = String::from_utf8(recorded)?;
    let (_, file) = recorded.split_once(' ').ok_or("the size and the time follow")?;
    xattr::set(temp.path("a"), name, format!("{checksum} {file}").as_bytes())?;
    Ok(())
}

fn a_recorded_checksum_of_any_algorithm_is_verified_if_there_are_no_digests(
    temp: &TempCache,
) -> Tested {
    let image = bytes(9, SIZES[1]);
    for algorithm in [Sha256, Sha512] {
        fill(&temp.open(), "a", &image);
        fs::remove_file(only_digests(temp))?;
        set_checksum(temp, &digest(algorithm, &image))?;
        let cache = temp.open();
        assert!(serve(&cache, "a")? == image);
        assert_eq!(cache.trust("a")?, Some(Trust::Checksum), "{algorithm}");
        drop(cache);
        fs::remove_file(only_digests(temp))?;
        set_checksum(temp, &wrong_digest(algorithm, &image))?;
        let cache = temp.open();
        assert!(refused(&cache, "a").is_empty(), "{algorithm}");
        let reason = cache.invalid_reason("a")?.ok_or("the file says why")?;
        assert!(reason.contains(&format!("its {algorithm} is")), "{reason}");
        cache.clean(None)?;
    }
    Ok(())
}

fn tokio_streams_verify_every_algorithm(temp: &TempCache) -> Tested {
    let (cache, image) = (AsyncImageCache::from(temp.open()), bytes(10, SIZES[1]));
    let chunks = || {
        let chunks = image.chunks(70_000).map(|chunk| Ok(Bytes::copy_from_slice(chunk)));
        stream::iter(chunks.collect::<Vec<io::Result<Bytes>>>())
    };
    run(async {
        for wrong in [None, Some(Md5), Some(Sha256), Some(Sha512)] {
            let expected = || expecting(&image, ChecksumAlgorithm::ALL, wrong.as_slice());
            let caching = collect(cache.caching_stream("a", chunks(), expected()).await?).await;
            if wrong.is_none() {
                cache.run(|cache| cache.delete_cached_image("a")).await?;
            }
            let shared = cache.get_or_fetch_stream("a", expected(), chunks()).await?;
            let shared = collect(shared.into_stream()).await;
            for (came, end) in [caching, shared] {
                match wrong {
                    None => {
                        end?;
                        assert!(came == image);
                    }
                    Some(wrong) => {
                        assert!(came.len() < image.len(), "{wrong}");
                        assert_eq!(named_by(&end.expect_err("it is refused"), &image), wrong);
                    }
                }
            }
            if wrong.is_none() {
                cache.run(|cache| cache.delete_cached_image("a")).await?;
            } else {
                cache.run(|cache| cache.clean(None)).await?;
            }
            assert!(temp.images().is_empty() && temp.names("invalid").is_empty());
        }
        Ok(())
    })
}
