//! Eviction: how many images are evicted, and in which order.

use image_cache::{Expected, ImageCache, Pruned};
use image_cache_tests::{
    TempCache, Tested, bytes, fill, listed, read_all, serve, set_times, with_both_drivers,
};
use std::io::{ErrorKind::ResourceBusy, Read};
use std::time::{Duration, SystemTime};

with_both_drivers![
    exactly_at_the_limit_nothing_is_evicted,
    the_least_recently_used_image_is_evicted_first,
    an_abandoned_read_leaves_the_order_alone,
    no_more_images_are_evicted_than_necessary,
    a_limit_of_zero_empties_the_cache_of_empty_images_too,
    an_image_that_is_being_read_is_kept_and_named,
    pruning_ends_where_everything_is_being_read,
    the_next_image_is_evicted_instead_of_one_being_read,
    half_of_many_images_are_the_older_half,
    a_live_writer_and_the_queue_outlive_an_emptied_cache,
    an_image_without_a_record_is_evicted_by_the_age_of_its_file,
    an_image_replaced_by_an_unrecorded_file_right_after_opening_does_not_evict_the_others,
];

fn with_limit(temp: &TempCache, bytes: u64) -> ImageCache {
    temp.open_with(|config| config.max_size(bytes))
}

fn pruned(images: u64, bytes: u64) -> Pruned {
    let mut pruned = Pruned::default();
    (pruned.images, pruned.bytes) = (images, bytes);
    pruned
}

fn fill_all(cache: &ImageCache, ids: &[&str], size: usize) {
    for (seed, id) in ids.iter().enumerate() {
        fill(cache, id, &bytes(seed as u64, size));
    }
}

fn exactly_at_the_limit_nothing_is_evicted(temp: &TempCache) -> Tested {
    let cache = with_limit(temp, 3000);
    assert_eq!(cache.prune()?, pruned(0, 0));
    fill_all(&cache, &["c", "a", "b"], 1000);
    assert_eq!((cache.prune()?, listed(&cache).len()), (pruned(0, 0), 3));
    drop(cache);
    let cache = with_limit(temp, 2999);
    assert_eq!(
        (cache.prune()?, listed(&cache)),
        (pruned(1, 1000), vec!["a".to_owned(), "b".to_owned()])
    );
    assert_eq!(cache.prune()?, pruned(0, 0));
    assert_eq!(temp.records_in_sync().len(), 2);
    Ok(())
}

fn the_least_recently_used_image_is_evicted_first(temp: &TempCache) -> Tested {
    let cache = with_limit(temp, 10_000);
    fill_all(&cache, &["d", "c", "b", "a"], 100);
    serve(&cache, "d")?;
    serve(&cache, "b")?;
    drop(cache);
    for (limit, left) in [(399, "abd"), (299, "bd"), (199, "b"), (99, "")] {
        let cache = with_limit(temp, limit);
        assert_eq!(cache.prune()?, pruned(1, 100));
        assert_eq!(listed(&cache).concat(), left);
    }
    Ok(())
}

fn an_abandoned_read_leaves_the_order_alone(temp: &TempCache) -> Tested {
    let cache = with_limit(temp, 199);
    fill_all(&cache, &["b", "a"], 100);
    cache.open_for_read("b")?.ok_or("it was cached")?.read_exact(&mut [0; 99])?;
    assert_eq!((cache.prune()?, listed(&cache)), (pruned(1, 100), vec!["a".to_owned()]));
    Ok(())
}

fn no_more_images_are_evicted_than_necessary(temp: &TempCache) -> Tested {
    let cache = with_limit(temp, 1000);
    for (id, size) in [("first", 10), ("second", 500), ("third", 400), ("fourth", 300)] {
        fill(&cache, id, &bytes(0, size));
    }
    // 1210 bytes: evicting the first image is not enough, evicting the first two is.
    assert_eq!(cache.prune()?, pruned(2, 510));
    assert_eq!(listed(&cache), ["fourth", "third"]);
    Ok(())
}

fn a_limit_of_zero_empties_the_cache_of_empty_images_too(temp: &TempCache) -> Tested {
    let cache = with_limit(temp, 0);
    fill_all(&cache, &["empty", "void"], 0);
    assert_eq!((cache.prune()?, listed(&cache).len()), (pruned(2, 0), 0));
    fill_all(&cache, &["empty", "void"], 0);
    fill_all(&cache, &["a", "b"], 10);
    assert_eq!((cache.prune()?, listed(&cache).len()), (pruned(4, 20), 0));
    assert!(temp.records_in_sync().is_empty());
    assert_eq!(cache.prune()?, pruned(0, 0));
    Ok(())
}

fn an_image_that_is_being_read_is_kept_and_named(temp: &TempCache) -> Tested {
    let (cache, image) = (with_limit(temp, 0), bytes(7, 100_000));
    fill(&cache, "read", &image);
    fill_all(&cache, &["a", "b"], 10);
    let mut reader = cache.open_for_read("read")?.ok_or("it was cached")?;
    reader.read_exact(&mut [0; 1000])?;
    let answer = cache.prune()?;
    assert_eq!((answer.images, answer.bytes), (2, 20));
    let kept: Vec<&str> = answer.kept.iter().map(|kept| kept.image_id.as_str()).collect();
    assert_eq!(kept, ["read"]);
    let reason = &answer.kept[0].reason;
    assert_eq!((reason.kind(), &*reason.to_string()), (ResourceBusy, "it is being read"));
    assert_eq!(
        (listed(&cache), read_all(&mut reader)?),
        (vec!["read".to_owned()], image[1000..].to_vec())
    );
    drop(reader);
    assert_eq!(cache.prune()?, pruned(1, 100_000));
    Ok(())
}

fn pruning_ends_where_everything_is_being_read(temp: &TempCache) -> Tested {
    let cache = with_limit(temp, 0);
    fill_all(&cache, &["a", "b", "c"], 10);
    let readers: Result<Vec<_>, _> =
        ["a", "b", "c"].iter().map(|id| cache.open_for_read(id)).collect();
    let answer = cache.prune()?;
    assert_eq!((answer.images, answer.bytes, answer.kept.len()), (0, 0, 3));
    drop(readers);
    assert_eq!(cache.prune()?, pruned(3, 30));
    Ok(())
}

fn the_next_image_is_evicted_instead_of_one_being_read(temp: &TempCache) -> Tested {
    let cache = with_limit(temp, 250);
    fill_all(&cache, &["oldest", "older", "newest"], 100);
    let other = temp.open();
    let _reader = other.open_for_read("oldest")?.ok_or("it was cached")?;
    let answer = cache.prune()?;
    assert_eq!((answer.images, answer.bytes, answer.kept.len()), (1, 100, 1));
    assert_eq!(listed(&cache), ["newest", "oldest"]);
    Ok(())
}

fn half_of_many_images_are_the_older_half(temp: &TempCache) -> Tested {
    let temp = &TempCache::in_memory(temp.driver());
    let cache = with_limit(temp, 1500);
    let ids: Vec<String> = (0..300).map(|n| format!("{:03}", n * 7 % 300)).collect();
    ids.iter().for_each(|id| drop(fill(&cache, id, b"ten bytes.")));
    assert_eq!(cache.prune()?, pruned(150, 1500));
    let mut young = ids[150..].to_vec();
    young.sort();
    assert_eq!(listed(&cache), young);
    assert_eq!(temp.records_in_sync().len(), 150);
    Ok(())
}

fn a_live_writer_and_the_queue_outlive_an_emptied_cache(temp: &TempCache) -> Tested {
    let (cache, image) = (with_limit(temp, 0), bytes(3, 300_000));
    fill(&cache, "a", b"image");
    cache.queue_image("wanted")?;
    let mut writer = cache.caching_reader("coming", &image[..], Expected::nothing())?;
    writer.read_exact(&mut [0; 1000])?;
    assert_eq!(cache.prune()?, pruned(1, 5));
    writer.read_to_end(&mut Vec::new())?;
    assert_eq!((serve(&cache, "coming")?, cache.is_queued("wanted")?), (image, true));
    Ok(())
}

fn an_image_without_a_record_is_evicted_by_the_age_of_its_file(temp: &TempCache) -> Tested {
    let ago = |hours: u64| SystemTime::now() - Duration::from_secs(3600 * hours);
    for (id, hours) in [("b", 1), ("a", 2), ("c", 3)] {
        set_times(&temp.put(id, &[0; 100]), ago(hours), ago(hours))?;
    }
    let cache = with_limit(temp, 199);
    assert_eq!((cache.prune()?, listed(&cache)), (pruned(2, 200), vec!["b".to_owned()]));
    Ok(())
}

/// For example, another process evicted one image and could not record the next: the number of images and of bytes is the same.
fn an_image_replaced_by_an_unrecorded_file_right_after_opening_does_not_evict_the_others(
    temp: &TempCache,
) -> Tested {
    fill_all(&with_limit(temp, 10_000), &["a", "b", "gone"], 1000);
    let cache = with_limit(temp, 2000);
    temp.open().delete_cached_image("gone")?;
    let old = SystemTime::now() - Duration::from_secs(86_400);
    set_times(&temp.put("orphan", &bytes(3, 1000)), old, old)?;
    assert_eq!((cache.prune()?, listed(&cache)), (pruned(1, 1000), vec!["a".into(), "b".into()]));
    Ok(())
}
