//! Many readers of one image, and a failure: all readers get the same result, and never a wrong byte.

use crate::single_flight::{assert_cached, get, get_for_nothing};
use image_cache::{Error, Expected, FetchReader, ImageCache, Outcome};
use image_cache_tests::{
    Mount, Source, TempCache, Tested, ThrottledSource, bytes, fill, md5_hex, read_all,
    read_until_error, with_both_drivers, wrong_md5,
};
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

with_both_drivers![
    no_reader_gets_the_last_byte_of_a_wrong_image,
    a_source_s_error_reaches_every_reader,
    a_source_that_cannot_be_opened_is_an_error_for_every_reader,
    a_source_that_panics_is_an_error_for_every_reader,
    a_reader_with_other_expectations_gets_an_error,
    a_cached_image_that_does_not_match_the_expectation_is_bypassed,
    a_cached_image_that_is_cut_short_is_fetched_again,
    a_follower_takes_over_when_the_first_reader_leaves,
    a_reader_that_takes_over_gets_no_mixture_of_two_images,
    a_thread_that_would_wait_for_itself_fetches_separately,
    when_the_disk_is_full_each_reader_continues_with_its_own_source,
    when_the_disk_is_full_at_the_last_piece_each_reader_gets_all,
];

const MIB: usize = 1 << 20;

/// Reads with these readers at the same time.
fn all(readers: Vec<FetchReader>) -> Vec<(Vec<u8>, io::Result<()>)> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = readers
            .into_iter()
            .enumerate()
            .map(|(n, mut reader)| {
                scope.spawn(move || {
                    let (came, end) = read_until_error(&mut reader, 3000 + n * 10_001);
                    if end.is_err() {
                        let again = reader.read(&mut [0; 10]);
                        assert!(again.is_err(), "after an error it stays in error");
                    }
                    (came, end)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no reader panics")).collect()
    })
}

/// The first reader, and others that came after it had read half.
fn together(
    cache: &ImageCache,
    throttled: &ThrottledSource,
    expected: &Expected,
    others: usize,
) -> Vec<FetchReader> {
    let get =
        || cache.get_or_fetch("a", expected.clone(), throttled.fetch()).expect("the id is sound");
    (0..=others).map(|_| get()).collect()
}

fn assert_rolled_back(temp: &TempCache, cache: &ImageCache) -> Tested {
    assert!(!cache.is_cached("a")? && temp.records_in_sync().is_empty());
    assert!(temp.names("incomplete").is_empty() && temp.names("invalid").contains("a"));
    assert_eq!(cache.clean(None)?.invalid, 1);
    Ok(())
}

fn no_reader_gets_the_last_byte_of_a_wrong_image(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(1, 700_000));
    let wrong = Expected::nothing().with_md5(&wrong_md5(&image))?;
    for expected in
        [wrong, Expected::nothing().with_size(699_999), Expected::nothing().with_size(9_000_000)]
    {
        let throttled = ThrottledSource::unlimited(&image[..]);
        let ends = all(together(&cache, &throttled, &expected, 4));
        assert_eq!(throttled.opened(), 1);
        let words: Vec<String> = ends
            .into_iter()
            .map(|(came, end)| {
                let error = end.expect_err("it is wrong");
                assert!(came.len() < 699_999 + usize::from(expected.size != Some(699_999)));
                assert!(image.starts_with(&came) && error.kind() == io::ErrorKind::InvalidData);
                Error::of_io(&error).expect("it carries the verdict").to_string()
            })
            .collect();
        assert!(words.iter().all(|said| *said == words[0]), "{words:?}");
        assert_rolled_back(temp, &cache)?;
    }
    Ok(())
}

fn a_source_s_error_reaches_every_reader(temp: &TempCache) -> Tested {
    const ECONNRESET: i32 = 104;
    let (cache, image) = (temp.open(), bytes(2, 700_000));
    cache.queue_image("a")?;
    let throttled = ThrottledSource::new(&image[..]);
    throttled.allow(400_000);
    throttled.fail(ECONNRESET);
    for (came, end) in all(together(&cache, &throttled, &Expected::nothing(), 4)) {
        assert!(came.len() < 400_000 && image.starts_with(&came));
        assert_eq!(end.expect_err("the source failed").raw_os_error(), Some(ECONNRESET));
    }
    assert_eq!(throttled.opened(), 1);
    assert_rolled_back(temp, &cache)?;
    assert!(cache.is_queued("a")?);

    let fails = || io::Error::new(io::ErrorKind::HostUnreachable, "the store has burnt down");
    let source = Source::of(&image[..]).then_fails(fails);
    let first = cache.get_or_fetch("a", Expected::nothing(), || Ok(source))?;
    let others = (0..3).map(|_| get_for_nothing(&cache));
    for (_, end) in all(std::iter::once(first).chain(others).collect()) {
        let error = end.expect_err("the source failed");
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (io::ErrorKind::HostUnreachable, "the store has burnt down")
        );
    }
    assert_rolled_back(temp, &cache)
}

fn a_source_that_cannot_be_opened_is_an_error_for_every_reader(temp: &TempCache) -> Tested {
    let cache = temp.open();
    let fetch = || Err::<io::Empty, _>(io::Error::new(io::ErrorKind::NotFound, "no such object"));
    let first = cache.get_or_fetch("a", Expected::nothing(), fetch)?;
    let second = get_for_nothing(&cache);
    for (came, end) in all(vec![first, second]) {
        let error = end.expect_err("it cannot be opened");
        assert!(came.is_empty() && error.kind() == io::ErrorKind::NotFound, "{error}");
    }
    assert_rolled_back(temp, &cache)
}

fn a_source_that_panics_is_an_error_for_every_reader(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(3, 700_000));
    let throttled = ThrottledSource::new(&image[..]);
    throttled.allow(400_000);
    throttled.panic();
    let (mut first, mut second) = (get(&cache, &throttled), get_for_nothing(&cache));
    let panicked = catch_unwind(AssertUnwindSafe(|| read_until_error(&mut first, 10_000)));
    assert!(panicked.is_err(), "the reader of the source panics as without a cache");
    let (came, end) = read_until_error(&mut second, 10_000);
    assert!(came.len() < 400_000 && image.starts_with(&came));
    assert!(end.is_err_and(|error| error.to_string().contains("panicked")));
    assert!(read_until_error(&mut first, 10).1.is_err());
    assert_rolled_back(temp, &cache)?;
    fill(&cache, "a", &image);
    Ok(())
}

fn a_reader_with_other_expectations_gets_an_error(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(4, 700_000));
    let throttled = ThrottledSource::unlimited(&image[..]);
    let mut first = get(&cache, &throttled);
    let wrong = Expected::nothing().with_md5(&wrong_md5(&image))?;
    let longer = Expected::nothing().with_size(700_001);
    let promised = |expected| cache.get_or_fetch("a", expected, throttled.fetch());
    let others = [promised(wrong)?, promised(longer)?];
    assert!(read_all(&mut first)? == image);
    for (came, end) in all(others.into()) {
        assert!(came.len() < image.len());
        assert!(end.is_err_and(|error| Error::of_io(&error).is_some()));
    }
    assert_cached(temp, &cache, &image, 0)
}

fn a_cached_image_that_does_not_match_the_expectation_is_bypassed(temp: &TempCache) -> Tested {
    let (cache, old, new) = (temp.open(), bytes(5, 1000), bytes(6, 1000));
    fill(&cache, "a", &old);
    let throttled = ThrottledSource::unlimited(&new[..]);
    for expected in
        [Expected::nothing().with_md5(&md5_hex(&new))?, Expected::nothing().with_size(999)]
    {
        let is_right = expected.size.is_none();
        let mut reader = cache.get_or_fetch("a", expected, throttled.fetch())?;
        let (came, end) = read_until_error(&mut reader, 100);
        assert_eq!((came == new, end.is_ok()), (is_right, is_right));
        assert!(!is_right || reader.outcome() == Some(&Outcome::AlreadyCached));
    }
    assert_eq!(throttled.opened(), 2);
    assert_cached(temp, &cache, &old, 0)
}

fn a_cached_image_that_is_cut_short_is_fetched_again(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(7, 4_000_000));
    fill(&cache, "a", &image);
    let throttled = ThrottledSource::unlimited(&image[..]);
    let (mut reader, mut lost) =
        (get(&cache, &throttled), cache.follow("a")?.ok_or("it is cached")?);
    let mut came = vec![0; 300_000];
    reader.read_exact(&mut came)?;
    lost.read_exact(&mut vec![0; 300_000])?;
    std::fs::OpenOptions::new().write(true).open(temp.path("a"))?.set_len(1_500_000)?;
    reader.read_to_end(&mut came)?;
    assert!(came == image && throttled.opened() == 1);
    assert!(read_all(lost).is_err(), "without a source there is only the error");
    Ok(())
}

fn a_follower_takes_over_when_the_first_reader_leaves(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(8, 1_500_000));
    let mut owner = cache.caching_reader("a", &image[..], Expected::nothing())?;
    owner.read_exact(&mut vec![0; 800_000])?;
    let throttled = ThrottledSource::unlimited(&image[..]);
    let expected = Expected::nothing().with_md5(&md5_hex(&image))?;
    let mut readers = together(&cache, &throttled, &expected, 3);
    let mut follower = cache.follow("a")?.ok_or("it is being fetched")?;
    for reader in readers.iter_mut().skip(1) {
        reader.read_exact(&mut vec![0; 500_000])?;
    }
    follower.read_exact(&mut vec![0; 100_000])?;
    drop(owner);
    for (n, (came, end)) in all(readers).into_iter().enumerate() {
        end?;
        assert!(came == image[if n == 0 { 0 } else { 500_000 }..], "reader {n}");
    }
    assert!(read_all(&mut follower)? == image[100_000..], "it continues in the cache");
    assert_eq!(throttled.opened(), 1, "one takes over, and the others read along");
    assert_cached(temp, &cache, &image, 4)
}

fn a_reader_that_takes_over_gets_no_mixture_of_two_images(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(9, 900_000));
    let (mut late, mut early, mut short) = (image.clone(), image.clone(), image.clone());
    late[700_000] ^= 1;
    early[399_999] ^= 1;
    short.truncate(400_000);
    // A reader that sees the source end early has read it completely: the source returns only this now.
    for (other, fits, cached) in [(late, true, 1), (early, false, 0), (short, false, 1)] {
        let mut owner = cache.caching_reader("a", &image[..], Expected::nothing())?;
        owner.read_exact(&mut vec![0; 600_000])?;
        let throttled = ThrottledSource::unlimited(&other[..]);
        let mut reader = get(&cache, &throttled);
        let mut came = vec![0; 450_000];
        reader.read_exact(&mut came)?;
        drop(owner);
        match reader.read_to_end(&mut came) {
            Ok(_) => assert!(fits && came == other, "all of the other image"),
            Err(error) => {
                assert!(!fits && error.kind() == io::ErrorKind::InvalidData, "{error}");
                assert!(came == image[..450_000], "nothing was added");
                assert!(reader.read(&mut [0]).is_err());
            }
        }
        drop(reader);
        assert_eq!(cache.delete_all_cached_images()?, cached);
        assert!(temp.names("incomplete").is_empty());
    }
    Ok(())
}

fn a_thread_that_would_wait_for_itself_fetches_separately(temp: &TempCache) -> Tested {
    let patience = Duration::from_millis(50);
    let cache = temp.open_with(|config| config.other_writer_patience(patience));
    let image = bytes(10, 600_000);
    let mut owner = cache.caching_reader("a", &image[..], Expected::nothing())?;
    owner.read_exact(&mut vec![0; 300_000])?;
    let throttled = ThrottledSource::unlimited(&image[..]);
    let (mut reader, mut follower) =
        (get(&cache, &throttled), cache.follow("a")?.ok_or("it is fetched")?);
    assert!(read_all(&mut reader)? == image);
    assert_eq!((reader.outcome(), throttled.opened()), (Some(&Outcome::BeingCached), 1));
    let (came, end) = read_until_error(&mut follower, 1000);
    assert!(came.len() < 300_000 && image.starts_with(&came));
    assert!(end.is_err_and(|error| error.kind() == io::ErrorKind::TimedOut));
    assert!(read_all(&mut owner)? == image[300_000..]);
    assert!(matches!(owner.outcome(), Some(Outcome::Cached(_))));
    assert_cached(temp, &cache, &image, 0)
}

fn when_the_disk_is_full_each_reader_continues_with_its_own_source(temp: &TempCache) -> Tested {
    let Some(mount) = Mount::tmpfs(3 * MIB as u64) else { return Ok(()) };
    let temp = &TempCache::at(temp.driver(), mount.path().join("cache"));
    let (cache, image) = (temp.open(), bytes(11, 8 * MIB + 3));
    let throttled = ThrottledSource::new(&image[..]);
    throttled.allow(MIB);
    let expected = Expected::nothing().with_md5(&md5_hex(&image))?;
    let mut readers = together(&cache, &throttled, &expected, 3);
    for (reader, read) in readers.iter_mut().zip([10, MIB - 1, 0, 5000]) {
        reader.read_exact(&mut vec![0; read])?;
    }
    let mut follower = cache.follow("a")?.ok_or("it is being fetched")?;
    follower.read_exact(&mut [0; 100])?;
    throttled.finish();
    for ((came, end), read) in all(readers).into_iter().zip([10, MIB - 1, 0, 5000]) {
        end?;
        assert!(came == image[read..], "after {read} bytes: {} came", came.len());
    }
    let (_, end) = read_until_error(&mut follower, 1000);
    assert!(end.is_err_and(|error| error.to_string().contains("no source of its own")));
    assert_eq!((throttled.opened(), throttled.running()), (4, 0), "the first one keeps its own");
    assert_eq!(cache.status()?.cache_failures, 1);
    drop(follower);
    assert!(temp.images().is_empty() && temp.records_in_sync().is_empty());
    assert!(temp.names("incomplete").is_empty() && temp.names("invalid").is_empty());
    fill(&cache, "small", &bytes(12, 2 * MIB));

    let wrong = Expected::nothing().with_md5(&wrong_md5(&image))?;
    for (came, end) in all(together(&cache, &throttled, &wrong, 2)) {
        assert!(came.len() < image.len() && end.is_err(), "still verified");
    }
    Ok(())
}

fn when_the_disk_is_full_at_the_last_piece_each_reader_gets_all(temp: &TempCache) -> Tested {
    let Some(mount) = Mount::tmpfs(3 * MIB as u64) else { return Ok(()) };
    let temp = &TempCache::at(temp.driver(), mount.path().join("cache"));
    let (cache, image) = (temp.open(), bytes(13, MIB + 5));
    let throttled = ThrottledSource::new(&image[..]);
    throttled.allow(MIB);
    let mut readers = vec![get(&cache, &throttled), get(&cache, &throttled)];
    readers[0].read_exact(&mut vec![0; MIB - 1])?;
    let mut hog = std::fs::File::create(mount.path().join("hog"))?;
    while io::copy(&mut io::repeat(1), &mut hog).is_ok() {}
    throttled.finish();
    for ((came, end), read) in all(readers).into_iter().zip([MIB - 1, 0]) {
        end?;
        assert!(came == image[read..]);
    }
    assert!(temp.images().is_empty() && temp.names("incomplete").is_empty());
    Ok(())
}
