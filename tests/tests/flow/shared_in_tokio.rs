//! Many readers of one image with tokio, on a runtime with one thread, and together with readers without tokio.

use crate::in_tokio::run;
use crate::single_flight::{assert_cached, get, get_for_nothing};
use image_cache::tokio::{AsyncImageCache, ImageReader};
use image_cache::{Error, Expected};
use image_cache_tests::{
    Mount, TempCache, Tested, ThrottledSource, bytes, md5_hex, read_all, with_both_drivers,
    wrong_md5,
};
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

with_both_drivers![
    readers_of_one_cold_image_share_one_source,
    a_fetch_without_readers_stops,
    all_readers_hear_of_a_wrong_image_and_of_a_failing_source,
    a_source_that_panics_is_an_error,
    readers_with_and_without_a_runtime_share_one_source,
    readers_take_over_from_a_caching_reader_that_is_dropped,
    when_the_disk_is_full_each_reader_continues_with_its_own_source,
    one_thread_for_blocking_calls_is_enough,
];

const MIB: usize = 1 << 20;

type Opened = Arc<AtomicUsize>;

/// A fetch function for a copy of the image, which counts its calls.
fn fetch(
    image: &[u8],
    opened: &Opened,
) -> impl FnOnce() -> std::future::Ready<io::Result<io::Cursor<Vec<u8>>>> + Send + 'static + use<> {
    let (image, opened) = (image.to_vec(), Arc::clone(opened));
    move || {
        opened.fetch_add(1, Ordering::Relaxed);
        std::future::ready(Ok(io::Cursor::new(image)))
    }
}

/// A fetch function that must not be called.
async fn not_needed() -> io::Result<&'static [u8]> {
    panic!("another reader fetches it")
}

pub async fn join(cache: &AsyncImageCache) -> Result<ImageReader, Error> {
    cache.get_or_fetch("a", Expected::nothing(), not_needed).await
}

pub async fn all_of(mut reader: ImageReader) -> (Vec<u8>, io::Result<usize>) {
    let mut came = Vec::new();
    let end = reader.read_to_end(&mut came).await;
    (came, end)
}

/// Waits for the background work.
pub async fn until(cache: &AsyncImageCache, mut done: impl FnMut() -> bool) -> bool {
    for _ in 0..3000 {
        if done() {
            return true;
        }
        let pause = |_: &image_cache::ImageCache| {
            std::thread::sleep(Duration::from_millis(10));
            Ok(())
        };
        cache.run(pause).await.expect("it only waits");
    }
    false
}

/// A source that returns the bytes that the test writes to the other end.
pub fn pipe() -> (DuplexStream, impl FnOnce() -> std::future::Ready<io::Result<DuplexStream>>) {
    let (sender, receiver) = tokio::io::duplex(10_000);
    (sender, move || std::future::ready(Ok(receiver)))
}

fn readers_of_one_cold_image_share_one_source(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(1, 3_000_001));
    let (opened, shared) = (Opened::default(), AsyncImageCache::from(cache.clone()));
    run(async {
        let expected = Expected::nothing().with_md5(&md5_hex(&image))?.with_size(3_000_001);
        let mut reads = Vec::new();
        for _ in 0..20 {
            let fetch = fetch(&image, &opened);
            reads.push(all_of(shared.get_or_fetch("a", expected.clone(), fetch).await?));
        }
        for (came, end) in futures_util::future::join_all(reads).await {
            end?;
            assert!(came == image);
        }
        Ok::<_, Box<dyn std::error::Error>>(())
    })?;
    assert_eq!(opened.load(Ordering::Relaxed), 1);
    assert_cached(temp, &cache, &image, 19)?;
    run(async {
        let (came, end) = all_of(join(&shared).await?).await;
        end?;
        assert!(came == image);
        assert!(shared.follow("b").await?.is_none());
        assert!(all_of(shared.follow("a").await?.ok_or("it is cached")?).await.0 == image);
        Ok::<_, Box<dyn std::error::Error>>(())
    })?;
    assert_cached(temp, &cache, &image, 21)
}

fn a_fetch_without_readers_stops(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(3, 100_000));
    let shared = AsyncImageCache::from(cache.clone());
    run(async {
        let (mut sender, fetch) = pipe();
        let mut first = shared.get_or_fetch("a", Expected::nothing(), fetch).await?;
        let second = join(&shared).await?;
        sender.write_all(&image[..5000]).await?;
        first.read_exact(&mut [0; 100]).await?;
        drop(first);
        drop(second);
        // The task drops the source, although the source never returns anything more.
        while sender.write_all(&[0; 1000]).await.is_ok() {}
        let gone = || temp.names("incomplete").is_empty() && temp.names("invalid").contains("a");
        assert!(until(&shared, gone).await);
        assert!(temp.images().is_empty());
        let (came, end) =
            all_of(shared.get_or_fetch("a", Expected::nothing(), fetch_all(&image)).await?).await;
        end?;
        assert!(came == image);
        Ok::<_, Box<dyn std::error::Error>>(())
    })?;
    assert_cached(temp, &cache, &image, 0)
}

fn fetch_all(
    image: &[u8],
) -> impl FnOnce() -> std::future::Ready<io::Result<io::Cursor<Vec<u8>>>> + Send + 'static + use<> {
    fetch(image, &Opened::default())
}

fn all_readers_hear_of_a_wrong_image_and_of_a_failing_source(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(5, 700_000));
    let shared = AsyncImageCache::from(cache.clone());
    run(async {
        let wrong = Expected::nothing().with_md5(&wrong_md5(&image))?;
        let first = shared.get_or_fetch("a", wrong, fetch_all(&image)).await?;
        let second = join(&shared).await?;
        let (first, second) = tokio::join!(all_of(first), all_of(second));
        for (came, end) in [first, second] {
            let error = end.expect_err("it is wrong");
            assert!(came.len() < image.len() && image.starts_with(&came));
            assert!(matches!(Error::of_io(&error), Some(Error::ChecksumMismatch { .. })));
        }

        #[derive(Debug, thiserror::Error)]
        #[error("the store has burnt down")]
        struct Burnt;
        let failing = || async {
            let (first, error) =
                (bytes(5, 300_000), io::Error::new(io::ErrorKind::TimedOut, Burnt));
            let source = [Ok(bytes::Bytes::from(first)), Err(error)];
            Ok(tokio_util::io::StreamReader::new(futures_util::stream::iter(source)))
        };
        let first = shared.get_or_fetch("a", Expected::nothing(), failing).await?;
        let second = join(&shared).await?;
        let (first, second) = tokio::join!(all_of(first), all_of(second));
        for (n, (came, end)) in [first, second].into_iter().enumerate() {
            let error = end.expect_err("the source fails");
            assert!(came.len() < 300_000 && image.starts_with(&came));
            assert_eq!(
                (error.kind(), error.to_string().as_str()),
                (io::ErrorKind::TimedOut, "the store has burnt down")
            );
            assert!(n > 0 || error.get_ref().is_some_and(|error| error.is::<Burnt>()), "unchanged");
        }
        assert!(until(&shared, || temp.names("incomplete").is_empty()).await);
        assert!(temp.images().is_empty());
        Ok(())
    })
}

fn a_source_that_panics_is_an_error(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(6, 1000));
    let shared = AsyncImageCache::from(cache.clone());
    run(async {
        let panics = || async {
            let ordered = true;
            assert!(!ordered, "this source panics, as configured");
            Ok(&b"nothing"[..])
        };
        let first = shared.get_or_fetch("a", Expected::nothing(), panics).await?;
        let second = join(&shared).await?;
        let (first, second) = tokio::join!(all_of(first), all_of(second));
        for (came, end) in [first, second] {
            assert!(came.is_empty());
            assert!(end.is_err_and(|error| error.to_string().contains("panicked")));
        }
        assert!(until(&shared, || temp.names("incomplete").is_empty()).await);
        let again = shared.get_or_fetch("a", Expected::nothing(), fetch_all(&image)).await?;
        assert!(all_of(again).await.0 == image);
        Ok(())
    })
}

fn readers_with_and_without_a_runtime_share_one_source(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(7, 2_000_000));
    let shared = AsyncImageCache::from(cache.clone());
    // First the reader with a runtime fetches, then the one without.
    let opened = Opened::default();
    std::thread::scope(|scope| -> Tested {
        let (came, end) = run(async {
            let mut first =
                shared.get_or_fetch("a", Expected::nothing(), fetch(&image, &opened)).await?;
            first.read_exact(&mut [0; 1]).await?;
            let (cache, image) = (&cache, &image);
            let other = scope.spawn(move || {
                assert!(read_all(get_for_nothing(cache)).expect("it comes") == *image)
            });
            let ended = all_of(first).await;
            assert!(until(&shared, || other.is_finished()).await);
            Ok::<_, Box<dyn std::error::Error>>(ended)
        })?;
        end?;
        assert!(came == image[1..]);
        Ok(())
    })?;
    assert_cached(temp, &cache, &image, 1)?;
    cache.delete_cached_image("a")?;

    let throttled = ThrottledSource::unlimited(&image[..]);
    let mut first = get(&cache, &throttled);
    assert_eq!(io::Read::read(&mut first, &mut [0; 1])?, 1);
    run(async {
        let (one, other) = (join(&shared).await?, join(&shared).await?);
        let ((one, end), (other, other_end)) = tokio::join!(all_of(one), all_of(other));
        end?;
        other_end?;
        assert!(one == image && other == image);
        Ok::<_, Box<dyn std::error::Error>>(())
    })?;
    assert!(read_all(first)? == image[1..]);
    assert_eq!(throttled.opened(), 1);
    assert_cached(temp, &cache, &image, 2)
}

fn readers_take_over_from_a_caching_reader_that_is_dropped(temp: &TempCache) -> Tested {
    // A long time, so that on a busy machine no reader considers the one that took over as stuck.
    let patience = Duration::from_secs(5);
    let cache = temp.open_with(|config| config.other_writer_patience(patience));
    let (shared, image) = (AsyncImageCache::from(cache.clone()), bytes(8, 1_000_000));
    run(async {
        let opened = Opened::default();
        let source = io::Cursor::new(image.clone());
        let mut owner = shared.caching_reader("a", source, Expected::nothing()).await?;
        owner.read_exact(&mut vec![0; 600_000]).await?;
        let mut readers = Vec::new();
        for _ in 0..3 {
            let fetch = fetch(&image, &opened);
            readers.push(shared.get_or_fetch("a", Expected::nothing(), fetch).await?);
        }
        // One reader waits for this task, and not longer than necessary.
        let alone = shared.get_or_fetch("a", Expected::nothing(), fetch_all(&image)).await?;
        let (came, end) = all_of(alone).await;
        end?;
        assert!(came == image);
        readers[1].read_exact(&mut vec![0; 200_000]).await?;
        drop(owner);
        let reads = futures_util::future::join_all(readers.into_iter().map(all_of)).await;
        for (n, (came, end)) in reads.into_iter().enumerate() {
            end?;
            assert!(came == image[if n == 1 { 200_000 } else { 0 }..], "reader {n}");
        }
        assert_eq!(opened.load(Ordering::Relaxed), 1);
        Ok::<_, Box<dyn std::error::Error>>(())
    })?;
    assert_cached(temp, &cache, &image, 2)
}

fn when_the_disk_is_full_each_reader_continues_with_its_own_source(temp: &TempCache) -> Tested {
    let Some(mount) = Mount::tmpfs(3 * MIB as u64) else { return Ok(()) };
    let temp = &TempCache::at(temp.driver(), mount.path().join("cache"));
    let (cache, image) = (temp.open(), bytes(9, 8 * MIB + 3));
    let shared = AsyncImageCache::from(cache.clone());
    run(async {
        let opened = Opened::default();
        let expected = Expected::nothing().with_md5(&md5_hex(&image))?;
        let mut readers = Vec::new();
        for read in [100_000, 10, 0] {
            let fetch = fetch(&image, &opened);
            let mut reader = shared.get_or_fetch("a", expected.clone(), fetch).await?;
            reader.read_exact(&mut vec![0; read]).await?;
            readers.push(reader);
        }
        let reads = futures_util::future::join_all(readers.into_iter().map(all_of)).await;
        for ((came, end), read) in reads.into_iter().zip([100_000, 10, 0]) {
            end?;
            assert!(came == image[read..], "after {read} bytes");
        }
        assert_eq!(opened.load(Ordering::Relaxed), 3, "the first one keeps its own");
        Ok::<_, Box<dyn std::error::Error>>(())
    })?;
    assert!(temp.images().is_empty() && temp.names("incomplete").is_empty());
    assert!(temp.names("invalid").is_empty());
    Ok(())
}

/// Files are read on the threads for blocking calls: waiting readers must not occupy all of them.
fn one_thread_for_blocking_calls_is_enough(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(10, 1_500_000));
    let file = temp.put(".image-cache/source", &image);
    let shared = AsyncImageCache::from(cache.clone());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(1)
        .build()?;
    let work: std::pin::Pin<Box<dyn Future<Output = Tested>>> = Box::pin(async {
        let mut readers = Vec::new();
        for _ in 0..8 {
            let file = file.clone();
            let fetch = || tokio::fs::File::open(file);
            readers.push(all_of(shared.get_or_fetch("a", Expected::nothing(), fetch).await?));
        }
        for (came, end) in futures_util::future::join_all(readers).await {
            end?;
            assert!(came == image);
        }
        Ok(())
    });
    runtime.block_on(work)?;
    assert_cached(temp, &cache, &image, 7)
}
