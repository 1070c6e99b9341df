//! Ranges of an image that is being fetched: received bytes are returned at once, the last byte after verification.

use crate::in_tokio::{collect, run};
use crate::shared_in_tokio::{all_of, pipe, until};
use crate::single_flight::{get, not_needed};
use image_cache::tokio::AsyncImageCache;
use image_cache::{Error, Expected, FetchReader, ImageCache, Outcome, Route};
use image_cache_tests::{
    TempCache, Tested, ThrottledSource, bytes, fill, md5_hex, read_all, read_until_error,
    with_both_drivers, wrong_md5,
};
use std::io::{ErrorKind, Read};
use std::ops::Range;
use tokio::io::AsyncWriteExt;

with_both_drivers![
    a_received_part_is_returned_at_once_and_a_missing_one_is_waited_for,
    a_part_with_the_last_byte_waits_for_the_verdict_and_no_other_does,
    a_part_is_cut_to_the_image_s_length_when_that_is_known,
    a_part_starts_the_fetch_of_the_whole_image_and_keeps_it_running,
    with_fetch_to_end_the_fetch_that_a_part_began_continues_to_its_end,
    of_an_image_that_cannot_be_cached_there_is_no_part,
    a_part_of_a_cached_image_is_a_hit_and_one_of_a_running_fetch_is_none,
    a_part_continues_when_another_reader_takes_over_the_fetch,
    a_part_of_an_image_that_another_process_fetches_is_returned,
    for_tokio_parts_come_from_a_running_fetch_too,
    progress_is_reported_while_a_fetch_runs,
];

const SIZE: usize = 900_000;

fn part(cache: &ImageCache, range: Range<u64>) -> FetchReader {
    let part = cache.follow_range("a", range).unwrap_or_else(|error| panic!("{error}"));
    part.expect("it is cached or being fetched")
}

fn a_received_part_is_returned_at_once_and_a_missing_one_is_waited_for(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(1, SIZE));
    let throttled = ThrottledSource::new(&image[..]);
    throttled.allow(500_000);
    let mut first =
        cache.get_or_fetch("a", Expected::nothing().with_size(SIZE as u64), throttled.fetch())?;
    first.read_exact(&mut [0; 1])?;
    let mut early = part(&cache, 100_000..400_000);
    assert_eq!((early.route(), early.image_size()), (Route::Shared, Some(SIZE as u64)));
    assert!(read_all(&mut early)? == image[100_000..400_000]);
    assert_eq!(early.outcome(), Some(&Outcome::BeingCached));
    assert!(!cache.is_cached("a")? && throttled.running() == 1);
    let mut late = part(&cache, 450_000..600_000);
    let mut came = vec![0; 49_999];
    late.read_exact(&mut came)?;
    let mut ahead = part(&cache, 700_000..800_000);
    throttled.finish();
    late.read_to_end(&mut came)?;
    assert!(came == image[450_000..600_000]);
    assert!(read_all(&mut ahead)? == image[700_000..800_000]);
    assert!(read_all(&mut first)? == image[1..]);
    assert_eq!(throttled.opened(), 1);
    Ok(())
}

fn a_part_with_the_last_byte_waits_for_the_verdict_and_no_other_does(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(2, SIZE));
    let end = SIZE as u64;
    for (md5, is_right) in [(wrong_md5(&image), false), (md5_hex(&image), true)] {
        let throttled = ThrottledSource::unlimited(&image[..]);
        let expected = Expected::nothing().with_md5(&md5)?;
        let mut whole = cache.get_or_fetch("a", expected, throttled.fetch())?;
        let mut inner = part(&cache, 1000..end - 1);
        let mut outer = part(&cache, end - 1000..end);
        let mut open = part(&cache, end - 1000..u64::MAX);
        assert!(read_all(&mut inner)? == image[1000..SIZE - 1], "its bytes came");
        for reader in [&mut outer, &mut open] {
            let (came, ended) = read_until_error(reader, 300);
            assert_eq!(came == image[SIZE - 1000..], is_right, "{} bytes", came.len());
            if !is_right {
                let error = ended.expect_err("it is wrong");
                assert!(matches!(Error::of_io(&error), Some(Error::ChecksumMismatch { .. })));
            }
        }
        assert_eq!(read_until_error(&mut whole, 100_000).1.is_ok(), is_right);
        assert_eq!(cache.is_cached("a")?, is_right);
    }
    Ok(())
}

fn a_part_is_cut_to_the_image_s_length_when_that_is_known(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(3, SIZE));
    let throttled = ThrottledSource::unlimited(&image[..]);
    let end = SIZE as u64;
    let mut whole = get(&cache, &throttled);
    whole.read_exact(&mut [0; 1])?;
    let ranges = [
        (end - 10..end + 10, &image[SIZE - 10..]),
        (end..end + 1, &[]),
        (end + 5..u64::MAX, &[]),
        (7..7, &[]),
        (0..u64::MAX, &image[..]),
    ];
    for (range, wanted) in ranges {
        let words = format!("{range:?}");
        assert!(read_all(part(&cache, range))? == wanted, "{words}");
    }
    assert!(read_all(&mut whole)? == image[1..]);
    #[expect(clippy::reversed_empty_ranges, reason = "a caller may ask for nonsense")]
    let backwards = 9..3;
    assert!(read_all(part(&cache, backwards))?.is_empty());
    Ok(())
}

fn a_part_starts_the_fetch_of_the_whole_image_and_keeps_it_running(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(4, SIZE));
    let throttled = ThrottledSource::new(&image[..]);
    throttled.allow(500_000);
    let begin =
        |range| cache.get_or_fetch_range("a", range, Expected::nothing(), throttled.fetch());
    let mut part = begin(200_000..300_000)?.ok_or("it can be cached")?;
    assert_eq!((part.route(), throttled.opened()), (Route::Fetching, 0));
    let mut came = vec![0; 50_000];
    part.read_exact(&mut came)?;
    let mut other = begin(0..10)?.ok_or("it is being fetched")?;
    assert_eq!(other.route(), Route::Shared);
    assert!(read_all(&mut other)? == image[..10]);
    drop(other);
    part.read_to_end(&mut came)?;
    assert!(came == image[200_000..300_000] && throttled.opened() == 1 && throttled.running() == 1);
    drop(part);
    assert!(throttled.running() == 0 && temp.names("incomplete").is_empty());
    assert!(!cache.is_cached("a")?);
    Ok(())
}

fn with_fetch_to_end_the_fetch_that_a_part_began_continues_to_its_end(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open_with(|config| config.fetch_to_end(true)), bytes(5, SIZE));
    let throttled = ThrottledSource::unlimited(&image[..]);
    let part = cache.get_or_fetch_range("a", 10..20, Expected::nothing(), throttled.fetch())?;
    assert!(read_all(part.ok_or("it can be cached")?)? == image[10..20]);
    assert!(image_cache_tests::until(|| matches!(cache.is_cached("a"), Ok(true))));
    assert_eq!(throttled.opened(), 1);
    Ok(())
}

fn of_an_image_that_cannot_be_cached_there_is_no_part(temp: &TempCache) -> Tested {
    let full = temp.open_with(|config| config.min_free(u64::MAX / 2));
    assert!(full.get_or_fetch_range("a", 0..10, Expected::nothing(), not_needed)?.is_none());
    let cache = temp.open();
    fill(&cache, "a", b"what is cached");
    let other = Expected::nothing().with_size(3);
    assert!(cache.get_or_fetch_range("a", 0..10, other, not_needed)?.is_none());
    assert!(cache.follow_range("b", 0..10)?.is_none(), "it is not being fetched");
    assert!(cache.get_or_fetch_range("../a", 0..1, Expected::nothing(), not_needed).is_err());
    Ok(())
}

fn a_part_of_a_cached_image_is_a_hit_and_one_of_a_running_fetch_is_none(
    temp: &TempCache,
) -> Tested {
    let (cache, image) = (temp.open(), bytes(6, SIZE));
    let throttled = ThrottledSource::unlimited(&image[..]);
    let mut whole = get(&cache, &throttled);
    whole.read_exact(&mut [0; 1])?;
    read_all(part(&cache, 5..10))?;
    let mut last = part(&cache, SIZE as u64 - 5..SIZE as u64);
    read_all(&mut whole)?;
    assert_eq!(cache.hit_count("a")?, 0);
    read_all(&mut last)?;
    assert_eq!(cache.hit_count("a")?, 1, "it was cached when that part ended");
    let cached = cache.get_or_fetch_range("a", 5..10, Expected::nothing(), not_needed)?;
    let mut cached = cached.ok_or("it is cached")?;
    assert_eq!((cached.route(), cached.image_size()), (Route::Cached, Some(SIZE as u64)));
    assert!(read_all(&mut cached)? == image[5..10]);
    assert_eq!(cache.hit_count("a")?, 2);
    Ok(())
}

fn a_part_continues_when_another_reader_takes_over_the_fetch(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(7, SIZE));
    let mut other = image.clone();
    other[150_000] ^= 1;
    for (source, is_same) in [(&image, true), (&other, false)] {
        let mut owner = cache.caching_reader("a", &image[..], Expected::nothing())?;
        owner.read_exact(&mut vec![0; 600_000])?;
        let throttled = ThrottledSource::unlimited(&source[..]);
        let (mut next, mut part) = (get(&cache, &throttled), part(&cache, 100_000..800_000));
        let mut came = vec![0; 300_000];
        part.read_exact(&mut came)?;
        drop(owner);
        next.read_exact(&mut [0; 1])?;
        match part.read_to_end(&mut came) {
            Ok(_) => assert!(is_same && came == image[100_000..800_000]),
            Err(error) => assert!(!is_same && error.kind() == ErrorKind::InvalidData, "{error}"),
        }
        drop((next, part));
        assert_eq!(throttled.opened(), 1);
        cache.delete_all_cached_images()?;
    }
    Ok(())
}

fn a_part_of_an_image_that_another_process_fetches_is_returned(temp: &TempCache) -> Tested {
    // A separate cache knows as little of the fetch as another process.
    let (cache, other, image) = (temp.open(), temp.open(), bytes(8, SIZE));
    let mut owner = other.caching_reader("a", &image[..], Expected::nothing())?;
    owner.read_exact(&mut vec![0; 600_000])?;
    assert!(read_all(part(&cache, 100_000..200_000))? == image[100_000..200_000]);
    assert_eq!(cache.progress("a")?, None, "only its own fetches have one");
    let mut last = part(&cache, SIZE as u64 - 10..u64::MAX);
    read_all(&mut owner)?;
    assert!(read_all(&mut last)? == image[SIZE - 10..]);
    Ok(())
}

fn for_tokio_parts_come_from_a_running_fetch_too(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(9, SIZE));
    let shared = AsyncImageCache::from(cache.clone());
    run(async {
        let (mut sender, receiver) = pipe();
        let source = async_source(receiver);
        let expected = Expected::nothing().with_size(SIZE as u64);
        let first = shared.get_or_fetch_range("a", 10..100, expected, source).await?;
        let first = first.ok_or("it can be cached")?;
        assert_eq!((first.route(), first.image_size()), (Route::Fetching, Some(SIZE as u64)));
        let mut late =
            shared.follow_range("a", 500_000..600_000).await?.ok_or("it is fetched")?.into_stream();
        let (sent, (came, end)) = tokio::join!(sender.write_all(&image[..400_000]), all_of(first));
        sent?;
        end?;
        assert!(came == image[10..100]);
        let none = std::future::poll_fn(|context| {
            std::task::Poll::Ready(
                futures_util::StreamExt::poll_next_unpin(&mut late, context).is_pending(),
            )
        });
        assert!(none.await, "it has not come yet");
        let send = async {
            sender.write_all(&image[400_000..]).await?;
            sender.shutdown().await
        };
        let (sent, (came, end)) = tokio::join!(send, collect(late));
        end?;
        assert!(came == image[500_000..600_000]);
        // Its last reader has left, which stops the fetch, unless the fetch was faster.
        let _ = sent;
        let cached = || temp.names("incomplete").is_empty();
        assert!(until(&shared, cached).await);
        Ok(())
    })
}

fn async_source(
    receiver: impl FnOnce() -> std::future::Ready<std::io::Result<tokio::io::DuplexStream>>,
) -> impl futures_util::Stream<Item = std::io::Result<bytes::Bytes>> + Send + 'static {
    let receiver = receiver().into_inner().expect("a pipe is there");
    image_cache::tokio::chunks_of(receiver)
}

fn progress_is_reported_while_a_fetch_runs(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(10, SIZE));
    let throttled = ThrottledSource::new(&image[..]);
    throttled.allow(500_000);
    assert_eq!(cache.progress("a")?, None);
    assert!(cache.progress("../a").is_err());
    let expected = Expected::nothing().with_size(SIZE as u64);
    let mut reader = cache.get_or_fetch("a", expected, throttled.fetch())?;
    let begun = cache.progress("a")?.ok_or("it is being fetched")?;
    assert_eq!((begun.bytes, begun.size), (0, Some(SIZE as u64)));
    reader.read_exact(&mut vec![0; 499_999])?;
    assert_eq!(cache.progress("a")?.map(|progress| progress.bytes), Some(500_000));
    throttled.finish();
    read_all(&mut reader)?;
    assert_eq!(cache.progress("a")?, None);
    Ok(())
}
