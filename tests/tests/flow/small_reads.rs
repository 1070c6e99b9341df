//! Small images that are read at once: complete, verified and counted, or not at all.

use crate::in_tokio::run;
use crate::shared_in_tokio::all_of;
use image_cache::tokio::AsyncImageCache;
use image_cache::{Error, WholeImage};
use image_cache_tests::{TempCache, Tested, bytes, fill, read_all, with_both_drivers};
use std::os::unix::fs::FileExt;

with_both_drivers![
    a_small_image_is_returned_at_once_and_counts_one_hit,
    a_larger_image_is_returned_as_a_reader,
    a_damaged_image_is_an_error_and_leaves_the_cache,
    for_tokio_it_is_the_same,
];

fn a_small_image_is_returned_at_once_and_counts_one_hit(temp: &TempCache) -> Tested {
    let cache = temp.open();
    for (id, size) in [("empty", 0), ("one", 1), ("block", 1 << 20), ("more", (1 << 20) + 5)] {
        let image = bytes(1, size);
        fill(&cache, id, &image);
        for hits in 1..3 {
            match cache.read_whole(id, size)? {
                Some(WholeImage::Bytes(came)) => assert!(came == image, "{id}"),
                other => panic!("{id}: {other:?}"),
            }
            assert_eq!(cache.hit_count(id)?, hits, "{id}");
        }
    }
    assert!(cache.read_whole("absent", usize::MAX)?.is_none());
    assert!(cache.read_whole("../one", usize::MAX).is_err());
    Ok(())
}

fn a_larger_image_is_returned_as_a_reader(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(2, 1000));
    fill(&cache, "a", &image);
    let Some(WholeImage::Larger(reader)) = cache.read_whole("a", 999)? else {
        panic!("it has one byte too many")
    };
    assert_eq!(cache.hit_count("a")?, 0);
    assert!(read_all(reader)? == image && cache.hit_count("a")? == 1);
    Ok(())
}

fn a_damaged_image_is_an_error_and_leaves_the_cache(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(3, 100_000));
    fill(&cache, "a", &image);
    let file = std::fs::File::options().write(true).open(temp.path("a"))?;
    file.write_all_at(&[image[99_999] ^ 1], 99_999)?;
    let refused = cache.read_whole("a", 100_000);
    assert!(matches!(refused, Err(Error::Corrupt { .. })), "{refused:?}");
    assert!(cache.read_whole("a", 100_000)?.is_none() && temp.names("invalid").contains("a"));
    Ok(())
}

fn for_tokio_it_is_the_same(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(4, 100_000));
    fill(&cache, "a", &image);
    let shared = AsyncImageCache::from(cache.clone());
    run(async {
        let whole = shared.read_whole("a", 100_000).await?;
        assert!(matches!(whole, Some(WholeImage::Bytes(came)) if came == image));
        assert_eq!(cache.hit_count("a")?, 1);
        let Some(WholeImage::Larger(reader)) = shared.read_whole("a", 10).await? else {
            panic!("it is larger")
        };
        assert_eq!(reader.image_size(), Some(100_000));
        assert!(all_of(reader).await.0 == image && cache.hit_count("a")? == 2);
        assert!(shared.read_whole("b", 10).await?.is_none());
        Ok(())
    })
}
