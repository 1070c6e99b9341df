//! The last handle of a cache closes its records, which may take long: this must not happen on a thread of an async runtime.

use crate::in_tokio::run;
use image_cache::tokio::AsyncImageCache;
use image_cache_tests::{TempCache, Tested, bytes, fill, serve, with_both_drivers};
use std::fs::File;
use std::time::Duration;
use tokio::io::AsyncReadExt;

with_both_drivers![
    dropping_the_last_handle_does_not_wait_for_the_records,
    dropping_the_last_reader_does_not_wait_for_the_records,
    dropping_a_read_under_way_does_not_wait_for_the_records,
    closing_waits_until_the_records_are_closed,
];

/// Longer than any test.
const LONG: Duration = Duration::from_secs(3000);

/// Records that another user has locked.
enum Held {
    Database(rusqlite::Connection),
    Attributes(#[expect(dead_code, reason = "its lock ends with it")] File),
}

impl Held {
    fn hold(temp: &TempCache) -> Tested<Held> {
        if temp.driver() == "sqlite" {
            let database = temp.database();
            database.execute_batch("BEGIN IMMEDIATE")?;
            return Ok(Held::Database(database));
        }
        let lock = temp.path(".image-cache/attributes.lock");
        let lock = File::options().write(true).create(true).truncate(false).open(lock)?;
        lock.lock()?;
        Ok(Held::Attributes(lock))
    }

    fn release(self) -> Tested {
        match self {
            Held::Database(database) => Ok(database.execute_batch("ROLLBACK")?),
            Held::Attributes(_) => Ok(()),
        }
    }
}

/// A cache with a hit that waits to be written.
fn with_a_hit(temp: &TempCache) -> Tested<AsyncImageCache> {
    let cache = temp.open_with(|config| config.hit_delay(LONG));
    fill(&cache, "a", &bytes(1, 3_000_000));
    serve(&cache, "a")?;
    Ok(cache.into())
}

/// The write of the hit did not wait on the only thread that can release the records.
fn the_hit_was_written(temp: &TempCache) -> Tested {
    assert_eq!(temp.records_in_sync()["a"].hits, 1);
    Ok(())
}

fn dropping_the_last_handle_does_not_wait_for_the_records(temp: &TempCache) -> Tested {
    let cache = with_a_hit(temp)?;
    run(async {
        let held = Held::hold(temp)?;
        let clone = cache.clone();
        drop(cache);
        drop(clone);
        held.release()
    })?;
    the_hit_was_written(temp)
}

fn dropping_the_last_reader_does_not_wait_for_the_records(temp: &TempCache) -> Tested {
    let cache = with_a_hit(temp)?;
    run(async {
        let mut reader = cache.open_for_read("a").await?.ok_or("it is cached")?;
        reader.read_u8().await?;
        let mut along = cache.follow("a").await?.ok_or("it is cached")?;
        along.read_u8().await?;
        let stream = cache.stream_range("a", 0..10).await?.ok_or("it is cached")?;
        cache.run(|_| Ok(())).await?;
        drop(cache);
        let held = Held::hold(temp)?;
        drop(reader);
        drop(along);
        drop(stream);
        held.release()
    })?;
    the_hit_was_written(temp)
}

fn dropping_a_read_under_way_does_not_wait_for_the_records(temp: &TempCache) -> Tested {
    let cache = with_a_hit(temp)?;
    run(async {
        let mut reader = cache.open_for_read("a").await?.ok_or("it is cached")?;
        let mut byte = [0];
        let mut read = Box::pin(reader.read(&mut byte));
        // Now it works on another thread.
        let polled = std::future::poll_fn(|context| {
            std::task::Poll::Ready(read.as_mut().poll(context).is_ready())
        });
        let _: bool = polled.await;
        // By now it is done, and its result is available.
        let wait = |_: &image_cache::ImageCache| {
            std::thread::sleep(Duration::from_millis(50));
            Ok(())
        };
        cache.run(wait).await?;
        drop(cache);
        let held = Held::hold(temp)?;
        drop(read);
        drop(reader);
        held.release()
    })?;
    the_hit_was_written(temp)
}

fn closing_waits_until_the_records_are_closed(temp: &TempCache) -> Tested {
    let cache = with_a_hit(temp)?;
    run(async {
        let clone = cache.clone();
        cache.close().await?;
        assert_eq!(temp.records_in_sync()["a"].hits, 1, "the collected hit is written");
        clone.close().await?;
        assert!(!temp.path("cache.db-wal").exists());
        // An exclusive user finds the cache closed.
        let alone = File::options().write(true).open(temp.path(".image-cache/users"))?;
        alone.try_lock()?;
        Ok(())
    })
}
