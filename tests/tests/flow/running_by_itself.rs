//! With tokio a fetch runs by itself: as fast as its source, whatever the speed of its readers.

use crate::in_tokio::run;
use crate::shared_in_tokio::{all_of, join, pipe, until};
use crate::single_flight::assert_cached;
use image_cache::tokio::{AsyncImageCache, ImageReader};
use image_cache::{Expected, Route};
use image_cache_tests::{TempCache, Tested, bytes, with_both_drivers};
use std::future::Future;
use std::pin::pin;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

with_both_drivers![
    a_stopped_reader_delays_neither_the_fetch_nor_other_readers,
    the_first_bytes_reach_every_reader_while_the_source_is_silent,
    nothing_is_fetched_before_the_first_read,
    a_stream_returns_the_same_bytes_as_a_reader,
    readers_report_the_source_of_their_image,
];

/// The result of a future, which must complete within half a minute.
async fn soon<T>(cache: &AsyncImageCache, work: impl Future<Output = T>) -> T {
    let too_long = pin!(until(cache, || false));
    match futures_util::future::select(pin!(work), too_long).await {
        futures_util::future::Either::Left((done, _)) => done,
        futures_util::future::Either::Right(_) => panic!("it would wait for ever"),
    }
}

fn a_stopped_reader_delays_neither_the_fetch_nor_other_readers(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(1, 5_000_000));
    let shared = AsyncImageCache::from(cache.clone());
    run(async {
        let (mut sender, fetch) = pipe();
        let expected = Expected::nothing().with_size(5_000_000);
        let mut first = shared.get_or_fetch("a", expected, fetch).await?;
        let mut second = join(&shared).await?;
        let send = async {
            sender.write_all(&image).await?;
            sender.shutdown().await
        };
        let (sent, read) = soon(&shared, futures_util::future::join(send, first.read_u8())).await;
        sent?;
        assert_eq!(read?, image[0]);
        assert!(until(&shared, || matches!(cache.is_cached("a"), Ok(true))).await);
        assert_eq!(second.read_u8().await?, image[0]);
        for reader in [second, first] {
            let (came, end) = all_of(reader).await;
            end?;
            assert!(came == image[1..]);
        }
        Ok::<_, Box<dyn std::error::Error>>(())
    })?;
    assert_cached(temp, &cache, &image, 1)
}

fn the_first_bytes_reach_every_reader_while_the_source_is_silent(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(2, 300_000));
    let shared = AsyncImageCache::from(cache.clone());
    run(async {
        let (mut sender, fetch) = pipe();
        let mut readers = vec![shared.get_or_fetch("a", Expected::nothing(), fetch).await?];
        for _ in 0..7 {
            readers.push(join(&shared).await?);
        }
        let read_one = |reader: ImageReader, at: usize| {
            let wanted = image[at];
            async move {
                let mut reader = reader;
                assert_eq!(reader.read_u8().await.expect("it comes"), wanted);
                reader
            }
        };
        for at in 0..3 {
            // The last received byte is withheld until the next one arrives.
            sender.write_all(&image[at + usize::from(at > 0)..at + 2]).await?;
            let reads = readers.drain(..).map(|reader| read_one(reader, at));
            readers = soon(&shared, futures_util::future::join_all(reads)).await;
        }
        let send = async {
            sender.write_all(&image[4..]).await?;
            sender.shutdown().await
        };
        let reads = futures_util::future::join_all(readers.into_iter().map(all_of));
        let (sent, reads) = soon(&shared, futures_util::future::join(send, reads)).await;
        sent?;
        for (came, end) in reads {
            end?;
            assert!(came == image[3..]);
        }
        Ok::<_, Box<dyn std::error::Error>>(())
    })?;
    assert_cached(temp, &cache, &image, 7)
}

fn nothing_is_fetched_before_the_first_read(temp: &TempCache) -> Tested {
    let shared = AsyncImageCache::from(temp.open());
    run(async {
        let asked = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let asks = std::sync::Arc::clone(&asked);
        let source = futures_util::stream::poll_fn(move |_| {
            asks.store(true, std::sync::atomic::Ordering::Relaxed);
            std::task::Poll::Ready(None)
        });
        let reader = shared.get_or_fetch_stream("a", Expected::nothing(), source).await?;
        for _ in 0..10 {
            shared.run(|_| Ok(())).await?;
        }
        assert!(!asked.load(std::sync::atomic::Ordering::Relaxed));
        drop(reader);
        assert!(until(&shared, || temp.names("incomplete").is_empty()).await);
        Ok(())
    })
}

fn a_stream_returns_the_same_bytes_as_a_reader(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(3, 700_000));
    let shared = AsyncImageCache::from(cache.clone());
    run(async {
        let source = futures_util::stream::iter([Ok(bytes::Bytes::from(image.clone()))]);
        let mut first = shared.get_or_fetch_stream("a", Expected::nothing(), source).await?;
        assert_eq!(first.read_u8().await?, image[0]);
        let (came, end) = crate::in_tokio::collect(first.into_stream()).await;
        end?;
        assert!(came == image[1..]);
        let cached = shared.open_for_read("a").await?.ok_or("it is cached")?;
        let mut cached = cached.into_stream();
        let (mut came, mut before) = (Vec::new(), 0);
        while let Some(chunk) = futures_util::StreamExt::next(&mut cached).await {
            before = came.len();
            came.extend_from_slice(&chunk?);
        }
        assert!(came == image && before < image.len());
        Ok::<_, Box<dyn std::error::Error>>(())
    })?;
    assert_cached(temp, &cache, &image, 1)?;
    // An error is the last item of a stream.
    run(async {
        let fails = futures_util::stream::iter([Err(std::io::ErrorKind::TimedOut.into())]);
        let reader = shared.get_or_fetch_stream("b", Expected::nothing(), fails).await?;
        let said: Vec<_> = futures_util::StreamExt::collect(reader.into_stream()).await;
        assert!(matches!(&said[..], [Err(error)] if error.kind() == std::io::ErrorKind::TimedOut));
        Ok(())
    })
}

fn readers_report_the_source_of_their_image(temp: &TempCache) -> Tested {
    let shared = AsyncImageCache::from(temp.open());
    run(async {
        let expected = Expected::nothing().with_size(4);
        let fetch = || async { Ok(&b"four"[..]) };
        let first = shared.get_or_fetch("a", expected, fetch).await?;
        let second = join(&shared).await?;
        assert_eq!((first.route(), first.image_size()), (Route::Fetching, Some(4)));
        assert_eq!((second.route(), second.image_size()), (Route::Shared, Some(4)));
        assert!(all_of(second).await.0 == b"four" && all_of(first).await.0 == b"four");
        let third = join(&shared).await?;
        assert_eq!((third.route(), third.image_size()), (Route::Cached, Some(4)));
        let other = Expected::nothing().with_size(5);
        let past = shared.get_or_fetch("a", other, || async { Ok(&b"fives"[..]) }).await?;
        assert_eq!((past.route(), past.image_size()), (Route::Passing, Some(5)));
        assert!(all_of(past).await.0 == b"fives");
        Ok(())
    })
}
