//! The counters of a cache: each is compared with the operations of the test.

use crate::in_tokio::run;
use crate::single_flight::{get, get_for_nothing};
use image_cache::tokio::AsyncImageCache;
use image_cache::{Counters, Expected, ImageCache};
use image_cache_tests::components::{Trial, faulty};
use image_cache_tests::{
    Source, TempCache, Tested, ThrottledSource, bytes, fill, read_all, serve, with_both_drivers,
    wrong_md5,
};
use std::io::Read;
use std::os::unix::fs::FileExt;

with_both_drivers![
    reads_and_bytes_are_counted_by_where_they_come_from,
    fills_are_counted_by_how_they_end,
    evictions_are_counted_and_deletions_are_not,
    damage_is_counted_where_it_is_found,
    calls_of_the_driver_are_counted_by_purpose,
    small_images_read_at_once_are_counted_like_any_other,
];

const SIZE: usize = 900_000;

fn calls(counters: &Counters, operation: &str) -> (u64, u64) {
    let known = counters.driver_calls.iter().find(|calls| calls.operation == operation);
    known.map_or((0, 0), |calls| (calls.calls, calls.failures))
}

fn reads_and_bytes_are_counted_by_where_they_come_from(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(1, SIZE));
    assert_eq!(cache.counters().misses, 0);
    let throttled = ThrottledSource::new(&image[..]);
    throttled.allow(500_000);
    let (mut first, mut second) = (get(&cache, &throttled), get_for_nothing(&cache));
    first.read_exact(&mut vec![0; 100_000])?;
    let running = cache.counters();
    assert_eq!((running.misses, running.shared, running.fills_running), (1, 1, 1));
    assert_eq!((running.hits, running.fills_cached), (0, 0));
    throttled.finish();
    read_all(&mut first)?;
    read_all(&mut second)?;
    drop((first, second));
    read_all(cache.open_range("a", 0..1000)?.ok_or("it is cached")?)?;
    let mut abandoned = cache.open_for_read("a")?.ok_or("it is cached")?;
    abandoned.read_exact(&mut [0; 100])?;
    read_all(get_for_nothing(&cache))?;
    // An absent image is a miss only for a caller that fetches it.
    assert!(cache.open_for_read("b")?.is_none());
    let all = cache.counters();
    assert_eq!((all.misses, all.shared, all.passed, all.fills_running), (1, 1, 0, 0));
    assert_eq!((all.hits, all.fills_cached), (3, 1), "the second one, the part, and the last");
    assert_eq!(all.bytes_fetched, SIZE as u64);
    assert_eq!(all.bytes_from_fetches, 2 * SIZE as u64);
    assert_eq!(all.bytes_from_cache, (1000 + 100 + SIZE) as u64);
    Ok(())
}

fn fills_are_counted_by_how_they_end(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(2, SIZE));
    let drain = |expected| cache.cache_image("a", &image[..], expected).is_err();
    assert!(drain(Expected::nothing().with_md5(&wrong_md5(&image))?));
    assert!(drain(Expected::nothing().with_size(SIZE as u64 + 1)));
    assert!(drain(Expected::nothing().with_size(5)));
    let fails = || Source::of(&image[..5000]).then_fails(|| std::io::ErrorKind::TimedOut.into());
    assert!(cache.cache_image("a", fails(), Expected::nothing()).is_err());
    assert!(read_all(cache.caching_reader("a", fails(), Expected::nothing())?).is_err());
    let short = Expected::nothing().with_size(5);
    assert!(read_all(cache.caching_reader("a", &image[..], short)?).is_err());
    drop(cache.caching_reader("a", &image[..], Expected::nothing())?);
    let throttled = ThrottledSource::unlimited(&image[..]);
    get(&cache, &throttled).read_exact(&mut [0; 10])?;
    fill(&cache, "a", &image);
    read_all(cache.caching_reader("a", &image[..], Expected::nothing())?)?;
    // Only the reader's expectation also refuses it.
    let wrong = Expected::nothing().with_md5(&wrong_md5(&image))?;
    assert!(read_all(cache.caching_reader("a", &image[..], wrong)?).is_err());
    let all = cache.counters();
    assert_eq!((all.checksum_failures, all.size_failures), (2, 3));
    assert_eq!((all.source_failures, all.fills_abandoned), (2, 2));
    assert_eq!((all.misses, all.passed, all.fills_cached, all.fills_running), (11, 2, 1, 0));

    let full = temp.open_with(|config| config.min_free(u64::MAX / 2));
    assert!(read_all(full.caching_reader("b", &image[..], Expected::nothing())?)? == image);
    let all = full.counters();
    assert_eq!((all.cache_failures, all.passed, all.misses), (1, 1, 1));
    assert_eq!((all.source_failures, all.fills_abandoned, all.fills_running), (0, 0, 0));
    Ok(())
}

fn evictions_are_counted_and_deletions_are_not(temp: &TempCache) -> Tested {
    let cache = temp.open_with(|config| config.max_size(2500));
    ["a", "b", "c", "d"].into_iter().for_each(|id| drop(fill(&cache, id, &[1; 1000])));
    cache.delete_cached_image("d")?;
    assert_eq!(cache.prune()?.images, 1);
    let all = cache.counters();
    assert_eq!((all.evictions, all.bytes_evicted), (1, 1000));
    Ok(())
}

fn damage_is_counted_where_it_is_found(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(3, 2 << 20));
    fill(&cache, "a", &image);
    let file = std::fs::File::options().write(true).open(temp.path("a"))?;
    file.write_all_at(&[image[1 << 20] ^ 1], 1 << 20)?;
    assert!(serve(&cache, "a").is_err());
    let all = cache.counters();
    assert_eq!((all.corrupt_blocks, all.corrupt_images, all.hits), (1, 1, 0));
    assert_eq!(all.bytes_from_cache, 1 << 20, "the sound block before it");
    Ok(())
}

fn calls_of_the_driver_are_counted_by_purpose(temp: &TempCache) -> Tested {
    let cache = temp.open();
    fill(&cache, "a", b"image");
    serve(&cache, "a")?;
    serve(&cache, "a")?;
    cache.prune()?;
    let all = cache.counters();
    assert_eq!(calls(&all, "record hits"), (2, 0));
    assert_eq!(calls(&all, "record an image"), (1, 0));
    assert!(calls(&all, "select victims").0 > 0);
    for calls in all.driver_calls {
        assert!(calls.time >= calls.longest && calls.longest > std::time::Duration::ZERO);
    }
    assert_eq!(all.fallbacks, 0);
    Ok(())
}

fn small_images_read_at_once_are_counted_like_any_other(temp: &TempCache) -> Tested {
    let cache = temp.open();
    fill(&cache, "a", &[7; 1000]);
    cache.read_whole("a", 1000)?.ok_or("it is cached")?;
    assert!(cache.read_whole("b", 1000)?.is_none());
    let all = cache.counters();
    assert_eq!((all.hits, all.bytes_from_cache), (1, 1000));
    Ok(())
}

/// A fault of the driver, and the driver that replaced it.
#[test]
fn failures_of_a_driver_and_its_replacement_are_counted() {
    let asks = |cache: &ImageCache| (0..5).for_each(|_| drop(cache.is_cacheable("a", None)));
    let trial = Trial::new();
    let cache = trial.open(faulty(&[("fault", "trap"), ("in", "is-cacheable")]));
    asks(&cache);
    let all = cache.counters();
    let (made, failed) = calls(&all, "ask whether an image is cacheable");
    assert!((3..made).contains(&failed), "{failed} of {made}");
    assert_eq!(all.fallbacks, 1);
    drop(cache);
    let broken = trial.open(trial.component(b"no component"));
    assert_eq!(broken.counters().fallbacks, 1, "when it was opened");
}

#[test]
fn for_tokio_the_numbers_are_the_same() -> Tested {
    let temp = TempCache::new("sqlite");
    let image = bytes(4, SIZE);
    let cache = AsyncImageCache::from(temp.open());
    run(async {
        let part =
            cache.get_or_fetch_range("a", 0..10, Expected::nothing(), source(&image)).await?;
        let whole = crate::shared_in_tokio::join(&cache).await?;
        let part = crate::shared_in_tokio::all_of(part.ok_or("it can be cached")?).await;
        assert!(part.0 == image[..10] && crate::shared_in_tokio::all_of(whole).await.0 == image);
        let all = cache.counters();
        assert_eq!(
            (all.misses, all.shared, all.hits),
            (1, 1, 1),
            "a part does not count as a separate reader"
        );
        assert_eq!((all.bytes_fetched, all.bytes_from_fetches), (SIZE as u64, SIZE as u64 + 10));
        Ok(())
    })
}

fn source(
    image: &[u8],
) -> impl futures_util::Stream<Item = std::io::Result<bytes::Bytes>> + Send + 'static + use<> {
    futures_util::stream::iter([Ok(bytes::Bytes::copy_from_slice(image))])
}
