//! Many readers of one image, and something fails: all end alike, and never with a wrong byte.

use crate::single_flight::{assert_cached, get, get_for_nothing};
use image_cache::{Error, Expected, FetchReader, ImageCache, Outcome};
use image_cache_tests::{
    Mount, Place, Source, Tap, Tested, bytes, drip, fill, md5_hex, read_all, with_both_drivers,
    wrong_md5,
};
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

with_both_drivers![
    of_a_wrong_image_nobody_gets_the_last_byte,
    a_source_s_error_reaches_every_reader,
    a_source_that_cannot_be_opened_is_an_error_for_every_reader,
    a_source_that_panics_is_an_error_for_every_reader,
    who_was_promised_something_else_hears_of_it,
    a_cached_image_that_is_not_what_was_promised_is_passed_by,
    a_cached_image_that_is_cut_short_is_fetched_again,
    whoever_reads_along_with_a_reader_that_leaves_takes_over,
    whoever_takes_over_gets_no_mixture_of_two_images,
    a_thread_that_would_wait_for_itself_goes_on_alone,
    when_the_disk_is_full_each_reader_goes_on_with_its_own_source,
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
                    let (came, end) = drip(&mut reader, 3000 + n * 10_001);
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

/// The first one, and others that came while it had read half.
fn together(cache: &ImageCache, tap: &Tap, expected: &Expected, others: usize) -> Vec<FetchReader> {
    let get = || cache.get_or_fetch("a", expected.clone(), tap.fetch()).expect("the id is sound");
    (0..=others).map(|_| get()).collect()
}

fn assert_rolled_back(place: &Place, cache: &ImageCache) -> Tested {
    assert!(!cache.is_cached("a")? && place.records_in_sync().is_empty());
    assert!(place.names("incomplete").is_empty() && place.names("invalid").contains("a"));
    assert_eq!(cache.clean(None)?.invalid, 1);
    Ok(())
}

fn of_a_wrong_image_nobody_gets_the_last_byte(place: &Place) -> Tested {
    let (cache, image) = (place.open(), bytes(1, 700_000));
    let wrong = Expected::nothing().with_md5(&wrong_md5(&image))?;
    for expected in
        [wrong, Expected::nothing().with_size(699_999), Expected::nothing().with_size(9_000_000)]
    {
        let tap = Tap::open(&image[..]);
        let ends = all(together(&cache, &tap, &expected, 4));
        assert_eq!(tap.opened(), 1);
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
        assert_rolled_back(place, &cache)?;
    }
    Ok(())
}

fn a_source_s_error_reaches_every_reader(place: &Place) -> Tested {
    const ECONNRESET: i32 = 104;
    let (cache, image) = (place.open(), bytes(2, 700_000));
    cache.queue_image("a")?;
    let tap = Tap::new(&image[..]);
    tap.allow(400_000);
    tap.fail(ECONNRESET);
    for (came, end) in all(together(&cache, &tap, &Expected::nothing(), 4)) {
        assert!(came.len() < 400_000 && image.starts_with(&came));
        assert_eq!(end.expect_err("the source failed").raw_os_error(), Some(ECONNRESET));
    }
    assert_eq!(tap.opened(), 1);
    assert_rolled_back(place, &cache)?;
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
    assert_rolled_back(place, &cache)
}

fn a_source_that_cannot_be_opened_is_an_error_for_every_reader(place: &Place) -> Tested {
    let cache = place.open();
    let fetch = || Err::<io::Empty, _>(io::Error::new(io::ErrorKind::NotFound, "no such object"));
    let first = cache.get_or_fetch("a", Expected::nothing(), fetch)?;
    let second = get_for_nothing(&cache);
    for (came, end) in all(vec![first, second]) {
        let error = end.expect_err("it cannot be opened");
        assert!(came.is_empty() && error.kind() == io::ErrorKind::NotFound, "{error}");
    }
    assert_rolled_back(place, &cache)
}

fn a_source_that_panics_is_an_error_for_every_reader(place: &Place) -> Tested {
    let (cache, image) = (place.open(), bytes(3, 700_000));
    let tap = Tap::new(&image[..]);
    tap.allow(400_000);
    tap.panic();
    let (mut first, mut second) = (get(&cache, &tap), get_for_nothing(&cache));
    let panicked = catch_unwind(AssertUnwindSafe(|| drip(&mut first, 10_000)));
    assert!(panicked.is_err(), "who reads the source is told as it would be without a cache");
    let (came, end) = drip(&mut second, 10_000);
    assert!(came.len() < 400_000 && image.starts_with(&came));
    assert!(end.is_err_and(|error| error.to_string().contains("panicked")));
    assert!(drip(&mut first, 10).1.is_err());
    assert_rolled_back(place, &cache)?;
    fill(&cache, "a", &image);
    Ok(())
}

fn who_was_promised_something_else_hears_of_it(place: &Place) -> Tested {
    let (cache, image) = (place.open(), bytes(4, 700_000));
    let tap = Tap::open(&image[..]);
    let mut first = get(&cache, &tap);
    let wrong = Expected::nothing().with_md5(&wrong_md5(&image))?;
    let longer = Expected::nothing().with_size(700_001);
    let promised = |expected| cache.get_or_fetch("a", expected, tap.fetch());
    let others = [promised(wrong)?, promised(longer)?];
    assert!(read_all(&mut first)? == image);
    for (came, end) in all(others.into()) {
        assert!(came.len() < image.len());
        assert!(end.is_err_and(|error| Error::of_io(&error).is_some()));
    }
    assert_cached(place, &cache, &image, 0)
}

fn a_cached_image_that_is_not_what_was_promised_is_passed_by(place: &Place) -> Tested {
    let (cache, old, new) = (place.open(), bytes(5, 1000), bytes(6, 1000));
    fill(&cache, "a", &old);
    let tap = Tap::open(&new[..]);
    for expected in
        [Expected::nothing().with_md5(&md5_hex(&new))?, Expected::nothing().with_size(999)]
    {
        let is_right = expected.size.is_none();
        let mut reader = cache.get_or_fetch("a", expected, tap.fetch())?;
        let (came, end) = drip(&mut reader, 100);
        assert_eq!((came == new, end.is_ok()), (is_right, is_right));
        assert!(!is_right || reader.outcome() == Some(&Outcome::AlreadyCached));
    }
    assert_eq!(tap.opened(), 2);
    assert_cached(place, &cache, &old, 0)
}

fn a_cached_image_that_is_cut_short_is_fetched_again(place: &Place) -> Tested {
    let (cache, image) = (place.open(), bytes(7, 4_000_000));
    fill(&cache, "a", &image);
    let tap = Tap::open(&image[..]);
    let (mut reader, mut lost) = (get(&cache, &tap), cache.follow("a")?.ok_or("it is cached")?);
    let mut came = vec![0; 300_000];
    reader.read_exact(&mut came)?;
    lost.read_exact(&mut vec![0; 300_000])?;
    std::fs::OpenOptions::new().write(true).open(place.path("a"))?.set_len(1_500_000)?;
    reader.read_to_end(&mut came)?;
    assert!(came == image && tap.opened() == 1);
    assert!(read_all(lost).is_err(), "without a source there is only the error");
    Ok(())
}

fn whoever_reads_along_with_a_reader_that_leaves_takes_over(place: &Place) -> Tested {
    let (cache, image) = (place.open(), bytes(8, 1_500_000));
    let mut owner = cache.caching_reader("a", &image[..], Expected::nothing())?;
    owner.read_exact(&mut vec![0; 800_000])?;
    let tap = Tap::open(&image[..]);
    let expected = Expected::nothing().with_md5(&md5_hex(&image))?;
    let mut readers = together(&cache, &tap, &expected, 3);
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
    assert!(read_all(&mut follower)? == image[100_000..], "it goes on in the cache");
    assert_eq!(tap.opened(), 1, "one takes over, and the others read along");
    assert_cached(place, &cache, &image, 4)
}

fn whoever_takes_over_gets_no_mixture_of_two_images(place: &Place) -> Tested {
    let (cache, image) = (place.open(), bytes(9, 900_000));
    let (mut late, mut early, mut short) = (image.clone(), image.clone(), image.clone());
    late[700_000] ^= 1;
    early[399_999] ^= 1;
    short.truncate(400_000);
    // Who finds the source to end too early has seen it whole: that is what it gives now.
    for (other, fits, cached) in [(late, true, 1), (early, false, 0), (short, false, 1)] {
        let mut owner = cache.caching_reader("a", &image[..], Expected::nothing())?;
        owner.read_exact(&mut vec![0; 600_000])?;
        let tap = Tap::open(&other[..]);
        let mut reader = get(&cache, &tap);
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
        assert!(place.names("incomplete").is_empty());
    }
    Ok(())
}

fn a_thread_that_would_wait_for_itself_goes_on_alone(place: &Place) -> Tested {
    let patience = Duration::from_millis(50);
    let cache = place.open_with(|config| config.other_writer_patience(patience));
    let image = bytes(10, 600_000);
    let mut owner = cache.caching_reader("a", &image[..], Expected::nothing())?;
    owner.read_exact(&mut vec![0; 300_000])?;
    let tap = Tap::open(&image[..]);
    let (mut reader, mut follower) =
        (get(&cache, &tap), cache.follow("a")?.ok_or("it is fetched")?);
    assert!(read_all(&mut reader)? == image);
    assert_eq!((reader.outcome(), tap.opened()), (Some(&Outcome::BeingCached), 1));
    let (came, end) = drip(&mut follower, 1000);
    assert!(came.len() < 300_000 && image.starts_with(&came));
    assert!(end.is_err_and(|error| error.kind() == io::ErrorKind::TimedOut));
    assert!(read_all(&mut owner)? == image[300_000..]);
    assert!(matches!(owner.outcome(), Some(Outcome::Cached(_))));
    assert_cached(place, &cache, &image, 0)
}

fn when_the_disk_is_full_each_reader_goes_on_with_its_own_source(place: &Place) -> Tested {
    let Some(mount) = Mount::tmpfs(3 * MIB as u64) else { return Ok(()) };
    let place = &Place::at(place.driver(), mount.path().join("cache"));
    let (cache, image) = (place.open(), bytes(11, 8 * MIB + 3));
    let tap = Tap::new(&image[..]);
    tap.allow(MIB);
    let expected = Expected::nothing().with_md5(&md5_hex(&image))?;
    let mut readers = together(&cache, &tap, &expected, 3);
    for (reader, read) in readers.iter_mut().zip([10, MIB - 1, 0, 5000]) {
        reader.read_exact(&mut vec![0; read])?;
    }
    let mut follower = cache.follow("a")?.ok_or("it is being fetched")?;
    follower.read_exact(&mut [0; 100])?;
    tap.finish();
    for ((came, end), read) in all(readers).into_iter().zip([10, MIB - 1, 0, 5000]) {
        end?;
        assert!(came == image[read..], "after {read} bytes: {} came", came.len());
    }
    let (_, end) = drip(&mut follower, 1000);
    assert!(end.is_err_and(|error| error.to_string().contains("no source of its own")));
    assert_eq!((tap.opened(), tap.running()), (4, 0), "the first one keeps its own");
    assert_eq!(cache.status()?.cache_failures, 1);
    drop(follower);
    assert!(place.images().is_empty() && place.records_in_sync().is_empty());
    assert!(place.names("incomplete").is_empty() && place.names("invalid").is_empty());
    fill(&cache, "small", &bytes(12, 2 * MIB));

    let wrong = Expected::nothing().with_md5(&wrong_md5(&image))?;
    for (came, end) in all(together(&cache, &tap, &wrong, 2)) {
        assert!(came.len() < image.len() && end.is_err(), "still verified");
    }
    Ok(())
}

fn when_the_disk_is_full_at_the_last_piece_each_reader_gets_all(place: &Place) -> Tested {
    let Some(mount) = Mount::tmpfs(3 * MIB as u64) else { return Ok(()) };
    let place = &Place::at(place.driver(), mount.path().join("cache"));
    let (cache, image) = (place.open(), bytes(13, MIB + 5));
    let tap = Tap::new(&image[..]);
    tap.allow(MIB);
    let mut readers = vec![get(&cache, &tap), get(&cache, &tap)];
    readers[0].read_exact(&mut vec![0; MIB - 1])?;
    let mut hog = std::fs::File::create(mount.path().join("hog"))?;
    while io::copy(&mut io::repeat(1), &mut hog).is_ok() {}
    tap.finish();
    for ((came, end), read) in all(readers).into_iter().zip([MIB - 1, 0]) {
        end?;
        assert!(came == image[read..]);
    }
    assert!(place.images().is_empty() && place.names("incomplete").is_empty());
    Ok(())
}
