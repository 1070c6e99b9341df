//! Filling and verifying for tokio, on a runtime of one thread.

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use image_cache::tokio::AsyncImageCache;
use image_cache::{Error, Expected, Outcome};
use image_cache_tests::{TempCache, Tested, bytes, md5_hex, with_both_drivers, wrong_md5};
use std::future::Future;
use std::io::{self, ErrorKind};
use tokio::io::AsyncReadExt;

with_both_drivers![
    a_stream_fills_the_cache_and_the_next_one_comes_from_it,
    the_last_chunk_is_returned_only_after_verification,
    a_reader_never_gets_all_of_a_wrong_image,
    a_source_s_error_reaches_the_reader_unchanged,
    a_reader_that_failed_stays_in_error,
    a_stream_dropped_early_leaves_nothing_cached,
    a_stream_dropped_outside_the_runtime_leaves_nothing_cached,
    draining_has_the_same_result_as_without_tokio,
];

/// Runs on a runtime with one thread: a blocking call would stop the test.
pub fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime can be made").block_on(work)
}

/// A stream of these bytes, in chunks.
fn chunks(
    image: &[u8],
    chunk: usize,
) -> impl futures_util::Stream<Item = io::Result<Bytes>> + Send + 'static {
    let chunks: Vec<_> =
        image.chunks(chunk).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    stream::iter(chunks)
}

/// The received bytes, and the result.
pub async fn collect(mut stream: image_cache::tokio::ImageStream) -> (Vec<u8>, io::Result<()>) {
    let mut all = Vec::new();
    while let Some(chunk) = stream.next().await {
        match chunk {
            Ok(chunk) => all.extend_from_slice(&chunk),
            Err(error) => return (all, Err(error)),
        }
    }
    (all, Ok(()))
}

fn a_stream_fills_the_cache_and_the_next_one_comes_from_it(temp: &TempCache) -> Tested {
    let cache = AsyncImageCache::from(temp.open());
    run(async {
        for (id, size, chunk) in [
            ("empty", 0, 1),
            ("small", 10, 1),
            ("large", 900_000, 70_000),
            ("whole", 500_000, 1 << 20),
        ] {
            let image = bytes(1, size);
            let expected = Expected::nothing().with_md5(&md5_hex(&image))?.with_size(size as u64);
            let (came, end) =
                collect(cache.caching_stream(id, chunks(&image, chunk), expected).await?).await;
            end?;
            assert!(came == image, "{id}");
            let mut again = Vec::new();
            cache.open_for_read(id).await?.ok_or("it was cached")?.read_to_end(&mut again).await?;
            assert!(again == image, "{id}");
            assert_eq!(cache.run(move |cache| cache.hit_count(id)).await?, 1, "{id}");
        }
        assert!(cache.open_for_read("unknown").await?.is_none());
        assert!(matches!(cache.open_for_read("../x").await.err(), Some(Error::InvalidImageId(_))));
        temp.records_in_sync();
        Ok(())
    })
}

fn the_last_chunk_is_returned_only_after_verification(temp: &TempCache) -> Tested {
    let cache = AsyncImageCache::from(temp.open());
    run(async {
        for (size, chunk) in
            [(0, 1), (1, 1), (2, 1), (1000, 300), (600_000, 600_000), (600_000, 100_000)]
        {
            let image = bytes(2, size);
            let wrong = Expected::nothing().with_md5(&wrong_md5(&image))?;
            let longer = Expected::nothing().with_size(size as u64 + 1);
            let shorter = Expected::nothing().with_size((size as u64).saturating_sub(1));
            for (n, expected) in [wrong, longer, shorter].into_iter().enumerate() {
                if expected.size == Some(size as u64) {
                    continue;
                }
                let case = format!("{size} bytes in chunks of {chunk}, promise {n}");
                let least = expected.size.unwrap_or(u64::MAX).min(size as u64).max(1);
                let (came, end) =
                    collect(cache.caching_stream("a", chunks(&image, chunk), expected).await?)
                        .await;
                let error = end.expect_err(&case);
                assert!(
                    (came.len() as u64) < least && image.starts_with(&came),
                    "{case}: {} came",
                    came.len()
                );
                assert_eq!(error.kind(), ErrorKind::InvalidData, "{case}");
                assert!(
                    Error::of_io(&error).is_some_and(|error| error.to_string().contains("image a")),
                    "{case}"
                );
                assert!(temp.images().is_empty() && temp.names("incomplete").is_empty(), "{case}");
                assert_eq!(temp.names("invalid").len(), 1, "{case}");
            }
        }
        Ok(())
    })
}

fn a_reader_never_gets_all_of_a_wrong_image(temp: &TempCache) -> Tested {
    let cache = AsyncImageCache::from(temp.open());
    run(async {
        let image = bytes(3, 300_000);
        for expected in [
            Expected::nothing().with_md5(&wrong_md5(&image))?,
            Expected::nothing().with_size(299_999),
        ] {
            let source = io::Cursor::new(image.clone());
            let mut reader = cache.caching_reader("a", source, expected).await?;
            let mut came = Vec::new();
            let error = reader.read_to_end(&mut came).await.expect_err("it is wrong");
            assert!(came.len() < 299_999 && error.kind() == ErrorKind::InvalidData);
        }
        assert!(temp.images().is_empty());
        Ok(())
    })
}

fn failing(image: &[u8]) -> impl futures_util::Stream<Item = io::Result<Bytes>> + Send + 'static {
    let boom = || Err(io::Error::new(ErrorKind::ConnectionReset, Error::from(bad_id())));
    chunks(image, 1000).chain(stream::iter([boom()]))
}

/// An error that the cache itself does not create in this test.
fn bad_id() -> image_cache::InvalidImageId {
    "..".parse::<image_cache::ImageId>().expect_err("it starts with a dot")
}

fn a_source_s_error_reaches_the_reader_unchanged(temp: &TempCache) -> Tested {
    let cache = AsyncImageCache::from(temp.open());
    run(async {
        let image = bytes(4, 5000);
        cache.run(|cache| cache.queue_image("a")).await?;
        let (came, end) =
            collect(cache.caching_stream("a", failing(&image), Expected::nothing()).await?).await;
        let error = end.expect_err("the source failed");
        assert!(came.len() < 5000 && image.starts_with(&came));
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert!(matches!(Error::of_io(&error), Some(Error::InvalidImageId(_))), "{error:?}");
        assert!(temp.images().is_empty() && temp.names("incomplete").is_empty());
        assert!(temp.names("invalid").contains("a") && temp.names("queue").contains("a"));
        Ok(())
    })
}

fn a_reader_that_failed_stays_in_error(temp: &TempCache) -> Tested {
    let cache = AsyncImageCache::from(temp.open());
    run(async {
        let image = bytes(5, 5000);
        let source = tokio_util::io::StreamReader::new(failing(&image));
        let mut reader = cache.caching_reader("a", source, Expected::nothing()).await?;
        assert!(reader.read_to_end(&mut Vec::new()).await.is_err());
        assert!(
            reader.read(&mut [0; 10]).await.is_err(),
            "an end here would look like that of a whole image"
        );
        Ok(())
    })
}

/// Waits for the background work.
async fn until(mut done: impl FnMut() -> bool) -> bool {
    for _ in 0..3000 {
        if done() {
            return true;
        }
        let pause = || std::thread::sleep(std::time::Duration::from_millis(10));
        tokio::task::spawn_blocking(pause).await.expect("it does not panic");
    }
    false
}

fn a_stream_dropped_early_leaves_nothing_cached(temp: &TempCache) -> Tested {
    let cache = AsyncImageCache::from(temp.open());
    run(async {
        let image = bytes(6, 1_000_000);
        for taken in [0, 1, 5] {
            let mut stream =
                cache.caching_stream("a", chunks(&image, 100_000), Expected::nothing()).await?;
            for _ in 0..taken {
                stream.next().await.ok_or("there is more")??;
            }
            drop(stream);
            let gone =
                || temp.names("incomplete").is_empty() && temp.names("invalid").contains("a");
            assert!(until(gone).await, "{taken} chunks taken");
            assert!(temp.images().is_empty());
            cache.run(|cache| cache.clean(None)).await?;
        }
        Ok(())
    })
}

fn a_stream_dropped_outside_the_runtime_leaves_nothing_cached(temp: &TempCache) -> Tested {
    let cache = AsyncImageCache::from(temp.open());
    let stream = run(cache.caching_stream("a", chunks(&bytes(7, 1000), 10), Expected::nothing()))?;
    drop(stream);
    assert!(temp.names("incomplete").is_empty() && temp.images().is_empty());
    assert!(temp.names("invalid").contains("a"));
    Ok(())
}

fn draining_has_the_same_result_as_without_tokio(temp: &TempCache) -> Tested {
    let cache = AsyncImageCache::from(temp.open());
    run(async {
        let image = bytes(10, 600_000);
        let source = || io::Cursor::new(image.clone());
        let wrong = Expected::nothing().with_md5(&wrong_md5(&image))?;
        let refused = cache.cache_image("a", source(), wrong).await;
        assert!(matches!(refused, Err(Error::ChecksumMismatch { .. })), "{refused:?}");
        let refused = cache.cache_image("a", source(), Expected::nothing().with_size(5)).await;
        assert!(matches!(refused, Err(Error::SizeMismatch { expected: 5, .. })), "{refused:?}");
        let failing = tokio_util::io::StreamReader::new(failing(&image));
        let failed = cache.cache_image("a", failing, Expected::nothing()).await;
        assert!(matches!(failed, Err(Error::SourceFailed { .. })), "{failed:?}");
        let outcome =
            cache.cache_image("a", source(), Expected::nothing().with_size(600_000)).await?;
        assert!(matches!(outcome, Outcome::Cached(record) if record.size == 600_000));
        assert_eq!(
            cache.cache_image("a", source(), Expected::nothing()).await?,
            Outcome::AlreadyCached
        );
        assert_eq!(temp.records_in_sync()["a"].checksum, Some(md5_hex(&image)));
        Ok(())
    })
}
