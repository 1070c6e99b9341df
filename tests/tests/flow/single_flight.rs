//! Many readers of one cold image: its source is read once, and no reader waits for another reader.

use image_cache::{Expected, FetchReader, ImageCache, Outcome};
use image_cache_tests::{
    TempCache, Tested, ThrottledSource, bytes, fill, md5_hex, read_all, read_until_error, serve,
    with_both_drivers,
};
use std::io::{self, Cursor, Read};
use std::sync::Barrier;
use std::time::Duration;

with_both_drivers![
    fifty_readers_of_one_cold_image_share_one_source,
    the_fetch_function_is_asked_only_when_it_is_needed,
    a_late_reader_gets_the_whole_image,
    a_fetch_without_readers_is_aborted,
    readers_read_along_with_a_caching_reader,
    a_reader_without_a_source_reads_along_or_from_the_cache,
    a_small_image_is_shared_byte_by_byte,
    hits_of_an_image_that_was_shared_are_counted_on,
];

/// A fetch function that must not be called.
pub fn not_needed() -> io::Result<Cursor<Vec<u8>>> {
    panic!("another reader fetches it")
}

pub fn get(cache: &ImageCache, throttled: &ThrottledSource) -> FetchReader {
    cache
        .get_or_fetch("a", Expected::nothing(), throttled.fetch())
        .unwrap_or_else(|error| panic!("{error}"))
}

pub fn get_for_nothing(cache: &ImageCache) -> FetchReader {
    cache
        .get_or_fetch("a", Expected::nothing(), not_needed)
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Asserts that only the cached image is left, with this number of hits.
pub fn assert_cached(temp: &TempCache, cache: &ImageCache, image: &[u8], hits: u64) -> Tested {
    assert_eq!(cache.hit_count("a")?, hits, "hits");
    assert!(std::fs::read(temp.path("a"))? == image, "the cached image");
    let records = temp.records_in_sync();
    assert_eq!(records["a"].checksum.as_ref(), Some(&md5_hex(image)));
    assert!(temp.names("incomplete").is_empty(), "{:?}", temp.names("incomplete"));
    assert_eq!(cache.status()?.cache_failures, 0);
    Ok(())
}

fn fifty_readers_of_one_cold_image_share_one_source(temp: &TempCache) -> Tested {
    const READERS: usize = 50;
    let (cache, image) = (temp.open(), bytes(1, 3_000_001));
    let (throttled, together) = (ThrottledSource::unlimited(&image[..]), Barrier::new(READERS));
    let expected = Expected::nothing().with_md5(&md5_hex(&image))?.with_size(3_000_001);
    let read = |n: usize| {
        together.wait();
        let mut reader =
            cache.get_or_fetch("a", expected.clone(), throttled.fetch()).expect("the id is sound");
        let (came, end) = read_until_error(&mut reader, [4096, 100_000, 1 << 20, 10_007][n % 4]);
        end.expect("the source is sound");
        assert!(came == image, "reader {n}: {} bytes", came.len());
        assert!(
            matches!(reader.outcome(), Some(Outcome::Cached(_) | Outcome::AlreadyCached)),
            "{:?}",
            reader.outcome()
        );
    };
    std::thread::scope(|scope| {
        (0..READERS).for_each(|n| drop(scope.spawn(move || read(n))));
    });
    assert_eq!((throttled.opened(), throttled.given(), throttled.running()), (1, image.len(), 0));
    assert_cached(temp, &cache, &image, READERS as u64 - 1)
}

fn the_fetch_function_is_asked_only_when_it_is_needed(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(2, 100_000));
    let throttled = ThrottledSource::unlimited(&image[..]);
    drop(get(&cache, &throttled));
    assert_eq!(throttled.opened(), 0, "there was no read");
    assert!(temp.names("incomplete").is_empty());
    fill(&cache, "a", &image);
    assert!(read_all(get_for_nothing(&cache))? == image);
    assert!(
        matches!(cache.get_or_fetch("../a", Expected::nothing(), not_needed), Err(error) if error.to_string().contains("../a"))
    );
    assert_cached(temp, &cache, &image, 1)
}

fn a_late_reader_gets_the_whole_image(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(3, 900_000));
    let throttled = ThrottledSource::new(&image[..]);
    throttled.allow(500_000);
    let mut first = get(&cache, &throttled);
    first.read_exact(&mut vec![0; 499_999])?;
    assert!(cache.is_being_cached("a")? && !cache.is_cacheable("a", None)?);
    let mut late = get_for_nothing(&cache);
    let mut came = vec![0; 499_999];
    late.read_exact(&mut came)?;
    throttled.finish();
    late.read_to_end(&mut came)?;
    assert!(came == image && matches!(late.outcome(), Some(Outcome::Cached(_))));
    assert!(read_all(&mut first)? == image[499_999..]);
    assert_cached(temp, &cache, &image, 1)
}

fn a_fetch_without_readers_is_aborted(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(6, 900_000));
    let throttled = ThrottledSource::unlimited(&image[..]);
    let (mut first, mut second) = (get(&cache, &throttled), get_for_nothing(&cache));
    first.read_exact(&mut vec![0; 400_000])?;
    second.read_exact(&mut [0; 10])?;
    drop(first);
    drop(second);
    assert_eq!(throttled.running(), 0, "the source was let go");
    assert!(temp.images().is_empty() && temp.names("incomplete").is_empty());
    assert!(temp.names("invalid").contains("a") && temp.records_in_sync().is_empty());
    assert_eq!(cache.clean(None)?.invalid, 1, "the file is not in use any more");
    assert!(read_all(get(&cache, &throttled))? == image);
    assert_cached(temp, &cache, &image, 0)
}

fn readers_read_along_with_a_caching_reader(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(8, 1_000_000));
    let mut owner = cache.caching_reader("a", &image[..], Expected::nothing())?;
    owner.read_exact(&mut [0; 10])?;
    std::thread::scope(|scope| -> Tested {
        let readers: Vec<_> = (0..5)
            .map(|n| {
                let mut reader = get_for_nothing(&cache);
                scope.spawn(move || read_until_error(&mut reader, 1000 + n * 50_000))
            })
            .collect();
        let (rest, end) = read_until_error(&mut owner, 7000);
        end?;
        assert!(rest == image[10..]);
        for reader in readers {
            let (came, end) = reader.join().map_err(|_| "a reader panicked")?;
            end?;
            assert!(came == image);
        }
        Ok(())
    })?;
    assert_cached(temp, &cache, &image, 5)
}

fn a_reader_without_a_source_reads_along_or_from_the_cache(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(9, 500_000));
    assert!(cache.follow("a")?.is_none(), "it is not being fetched");
    let throttled = ThrottledSource::unlimited(&image[..]);
    let mut first = get(&cache, &throttled);
    first.read_exact(&mut [0; 1])?;
    let mut follower = cache.follow("a")?.ok_or("it is being fetched")?;
    assert!(read_all(&mut follower)? == image);
    assert!(read_all(&mut first)? == image[1..]);
    assert!(read_all(cache.follow("a")?.ok_or("it is cached")?)? == image);
    assert_cached(temp, &cache, &image, 2)
}

fn a_small_image_is_shared_byte_by_byte(temp: &TempCache) -> Tested {
    let temp = &TempCache::in_memory(temp.driver());
    let cache = temp.open();
    for size in [1, 2, 3, 10] {
        let image = bytes(10, size);
        let throttled = ThrottledSource::unlimited(&image[..]);
        let mut readers =
            [get(&cache, &throttled), get_for_nothing(&cache), get_for_nothing(&cache)];
        let mut came = [const { Vec::new() }; 3];
        for _ in 0..=size {
            for (reader, came) in readers.iter_mut().zip(&mut came) {
                let mut byte = [0];
                let count = reader.read(&mut byte)?;
                came.extend_from_slice(&byte[..count]);
            }
        }
        assert_eq!(came, [&image[..]; 3], "{size} bytes");
        assert_cached(temp, &cache, &image, 2)?;
        cache.delete_cached_image("a")?;
    }
    Ok(())
}

fn hits_of_an_image_that_was_shared_are_counted_on(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(11, 300_000));
    let throttled = ThrottledSource::unlimited(&image[..]);
    let mut first = get(&cache, &throttled);
    let mut abandoned = get_for_nothing(&cache);
    abandoned.read_exact(&mut vec![0; 299_999])?;
    assert!(read_all(&mut first)? == image);
    assert_eq!(cache.hit_count("a")?, 0, "neither its own fetch nor an unfinished read is a hit");
    let mut last = [0; 1];
    abandoned.read_exact(&mut last)?;
    assert_eq!((last[0], cache.hit_count("a")?), (image[299_999], 1), "with its last byte");
    drop(abandoned);
    assert!(serve(&cache, "a")? == image);
    assert_cached(temp, &cache, &image, 2)?;
    let pause = Duration::from_millis(1);
    assert!(read_all(get_for_nothing(&temp.open_with(|c| c.hit_delay(pause))))? == image);
    assert_eq!(temp.open().hit_count("a")?, 3);
    Ok(())
}
