//! Very many concurrent clients that all wait: none keeps a block in memory, and each gets all bytes.

use crate::in_tokio::{collect, run};
use bytes::Bytes;
use futures_util::StreamExt;
use image_cache::Error;
use image_cache::tokio::{AsyncImageCache, ImageStream, ReadBudget};
use image_cache::{Config, Expected};
use image_cache_tests::{TempCache, Tested, bytes, fill, with_both_drivers};
use std::fs::File;
use std::io::Cursor;
use std::os::unix::fs::FileExt;

with_both_drivers![
    each_of_very_many_gets_all_bytes_and_counts_once,
    a_block_that_is_damaged_while_it_is_returned_in_parts_is_detected,
    many_clients_take_no_memory_from_the_readers_of_another_cache,
    readers_without_a_budget_get_all_bytes_in_pieces,
];

const MIB: usize = 1 << 20;

/// More clients than there is memory for whole blocks.
const MANY: usize = 40;

/// A client that has read the first bytes and waits.
struct Waiting {
    first: Bytes,
    rest: ImageStream,
}

async fn clients(cache: &AsyncImageCache, clients: usize) -> Tested<Vec<Waiting>> {
    let mut waiting = Vec::new();
    for _ in 0..clients {
        let reader = cache.open_for_read("a").await?.ok_or("it is cached")?;
        let mut rest = reader.into_stream();
        let first = rest.next().await.ok_or("it has bytes")??;
        waiting.push(Waiting { first, rest });
    }
    Ok(waiting)
}

fn each_of_very_many_gets_all_bytes_and_counts_once(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(3, 2 * MIB + 700_000));
    fill(&cache, "a", &image);
    let shared = AsyncImageCache::from(cache.clone());
    run(async {
        let clients = clients(&shared, MANY).await?;
        let held: usize = clients.iter().map(|client| client.first.len()).sum();
        assert!(held < MANY * MIB / 2, "{held} bytes are held");
        for Waiting { first, rest } in clients {
            let (came, end) = collect(rest).await;
            end?;
            assert!([&first[..], &came[..]].concat() == image);
        }
        Ok::<_, Box<dyn std::error::Error>>(())
    })?;
    assert_eq!(cache.hit_count("a")?, MANY as u64);
    Ok(())
}

fn a_block_that_is_damaged_while_it_is_returned_in_parts_is_detected(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(3, 2 * MIB));
    fill(&cache, "a", &image);
    let shared = AsyncImageCache::from(cache.clone());
    run(async {
        let mut clients = clients(&shared, MANY).await?;
        let last = clients.pop().ok_or("there are many")?;
        let file = File::options().write(true).open(temp.path("a"))?;
        file.write_all_at(&[!image[MIB - 1]], MIB as u64 - 1)?;
        let (came, end) = collect(last.rest).await;
        let error = end.expect_err("it is damaged");
        assert!(matches!(Error::of_io(&error), Some(Error::Corrupt { .. })), "{error}");
        let came = [&last.first[..], &came[..]].concat();
        assert!(came.len() < MIB && image.starts_with(&came));
        Ok(())
    })
}

fn many_clients_take_no_memory_from_the_readers_of_another_cache(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(3, 2 * MIB));
    fill(&cache, "a", &image);
    let shared = AsyncImageCache::from(cache);
    let elsewhere = tempfile::tempdir()?;
    let config = Config::builder(elsewhere.path()).build()?;
    run(async {
        let other = AsyncImageCache::open(config).await?;
        other.cache_image("b", Cursor::new(image), Expected::nothing()).await?;
        let clients = clients(&shared, MANY).await?;
        assert!(clients.last().is_some_and(|client| client.first.len() < MIB));
        let mut alone = other.stream_range("b", 0..u64::MAX).await?.ok_or("it is cached")?;
        let block = alone.next().await.ok_or("it has bytes")??;
        assert_eq!(block.len(), MIB);
        Ok(())
    })
}

fn readers_without_a_budget_get_all_bytes_in_pieces(temp: &TempCache) -> Tested {
    let image = bytes(3, 2 * MIB + 700_000);
    fill(&temp.open(), "a", &image);
    let (config, budget) = (temp.config().build()?, ReadBudget::new(0));
    run(async {
        let cache = AsyncImageCache::open_with(config, budget.clone()).await?;
        let mut stream = cache.stream_range("a", 0..u64::MAX).await?.ok_or("it is cached")?;
        let mut came = Vec::new();
        while let Some(piece) = stream.next().await.transpose()? {
            assert!(piece.len() <= MIB / 4 && budget.held() >= piece.len());
            came.extend_from_slice(&piece);
        }
        assert!(came == image && budget.held() == 0);
        Ok(())
    })
}
