//! Reading with tokio, and operations that must not block its runtime.

use crate::in_tokio::{collect, run};
use image_cache::tokio::AsyncImageCache;
use image_cache::{Expected, Outcome};
use image_cache_tests::{TempCache, Tested, bytes, fill, with_both_drivers};
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

with_both_drivers![
    a_range_is_streamed_and_counted_once,
    waiting_for_the_disk_does_not_block_the_runtime,
    a_source_may_wait_for_another_task,
];

fn a_range_is_streamed_and_counted_once(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(9, 900_000));
    fill(&cache, "a", &image);
    let cache = AsyncImageCache::from(cache);
    run(async {
        let stream = cache.stream_range("a", 100_000..800_000).await?.ok_or("it was cached")?;
        let (came, end) = collect(stream).await;
        end?;
        assert!(came == image[100_000..800_000]);
        let mut reader = cache.open_range("a", 899_990..u64::MAX).await?.ok_or("it was cached")?;
        let mut tail = Vec::new();
        reader.read_to_end(&mut tail).await?;
        assert!(tail == image[899_990..]);
        assert_eq!(cache.run(|cache| cache.hit_count("a")).await?, 2);
        Ok(())
    })
}

fn waiting_for_the_disk_does_not_block_the_runtime(temp: &TempCache) -> Tested {
    let cache = AsyncImageCache::from(temp.open());
    run(async {
        let image = bytes(11, 1000);
        // Publishing waits for this lock, for half a minute at most.
        let lock = temp.path(".image-cache/lock");
        let lock = std::fs::File::options().write(true).create(true).truncate(false).open(lock)?;
        lock.lock()?;
        let release = async {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            drop(lock);
        };
        let source = io::Cursor::new(image.clone());
        let (outcome, ()) =
            tokio::join!(cache.cache_image("a", source, Expected::nothing()), release);
        assert!(matches!(outcome, Ok(Outcome::Cached(_))), "{outcome:?}");
        Ok(())
    })
}

fn a_source_may_wait_for_another_task(temp: &TempCache) -> Tested {
    let cache = AsyncImageCache::from(temp.open());
    run(async {
        let image = bytes(12, 300_000);
        let (mut sender, receiver) = tokio::io::duplex(1000);
        let mut reader =
            cache.caching_reader("a", receiver, Expected::nothing().with_size(300_000)).await?;
        let send = async {
            sender.write_all(&image[..200_000]).await?;
            // The cache answers other requests meanwhile.
            let coming = cache.run(|cache| cache.is_being_cached("a")).await;
            assert!(matches!(coming, Ok(true)), "{coming:?}");
            sender.write_all(&image[200_000..]).await?;
            sender.shutdown().await
        };
        let mut came = Vec::new();
        let (received, sent) = tokio::join!(reader.read_to_end(&mut came), send);
        sent?;
        assert_eq!((received?, came == image), (300_000, true));
        assert!(cache.run(|cache| cache.is_cached("a")).await?);
        Ok(())
    })
}
