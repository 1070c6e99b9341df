//! A hard limit: the cache evicts before it admits an image, and counts the fills of other processes.

use super::{MIB, fill_sized, hard, image, passes, sized};
use image_cache::{Expected, Outcome};
use image_cache_tests::{Mount, TempCache, Tested, bytes, fill, listed, serve, with_both_drivers};
use std::io::Read;

with_both_drivers![
    a_hard_limit_evicts_before_it_admits,
    an_image_larger_than_the_hard_limit_costs_no_other_its_place,
    an_image_being_read_is_not_evicted_for_others,
    an_image_of_unknown_length_makes_room_as_it_grows,
    running_fills_count_against_the_hard_limit,
    fills_of_a_cache_without_a_limit_count_too,
    dead_writers_hold_no_room,
];

fn a_hard_limit_evicts_before_it_admits(temp: &TempCache) -> Tested {
    let cache = hard(temp, 3000);
    for (seed, id) in ["a", "b", "c"].into_iter().enumerate() {
        assert!(matches!(fill_sized(&cache, id, &bytes(seed as u64, 1000)), Outcome::Cached(_)));
    }
    assert_eq!(listed(&cache), ["a", "b", "c"], "exactly at the limit nothing is evicted");
    serve(&cache, "a")?;
    let mut reader = cache.caching_reader("d", &[7; 1500][..], sized(1500))?;
    assert_eq!(cache.cache_size()?.bytes, 1000, "before the first byte");
    assert_eq!(listed(&cache), ["a"], "the least recently used went");
    reader.read_to_end(&mut Vec::new())?;
    assert!(matches!(reader.outcome(), Some(Outcome::Cached(_))));
    assert_eq!((listed(&cache), cache.prune()?.images), (vec!["a".into(), "d".into()], 0));
    drop(cache);
    // A smaller limit than before: the surplus is evicted with the next image.
    let cache = hard(temp, 1600);
    fill_sized(&cache, "e", &[7; 100]);
    assert_eq!(listed(&cache), ["d", "e"]);
    assert_eq!(temp.records_in_sync().len(), 2);
    Ok(())
}

fn an_image_larger_than_the_hard_limit_costs_no_other_its_place(temp: &TempCache) -> Tested {
    let cache = hard(temp, 2 * MIB);
    fill(&cache, "a", &bytes(1, 1000));
    let large = image(2, 3 * MIB);
    let reason = passes(&cache, "b", &large, sized(3 * MIB))?;
    assert!(reason.contains("image_cache_max_size (2.0 MiB)"), "{reason}");
    assert_eq!(listed(&cache), ["a"]);
    // With an unknown length it evicts others as long as there are any.
    passes(&cache, "b", &large, Expected::nothing())?;
    assert!(temp.names("incomplete").is_empty() && temp.names("invalid").is_empty());
    let nothing = hard(temp, 0);
    passes(&nothing, "c", b"image", sized(5))?;
    passes(&nothing, "c", b"image", Expected::nothing())?;
    temp.records_in_sync();
    Ok(())
}

fn an_image_being_read_is_not_evicted_for_others(temp: &TempCache) -> Tested {
    let cache = hard(temp, 2500);
    fill(&cache, "read", &bytes(1, 1000));
    fill(&cache, "idle", &bytes(2, 1000));
    let mut reader = cache.open_for_read("read")?.ok_or("it was cached")?;
    let other = image(3, 2000);
    let reason = passes(&cache, "new", &other, sized(2000))?;
    assert!(reason.contains("cannot be"), "{reason}");
    let mut came = Vec::new();
    reader.read_to_end(&mut came)?;
    assert!(came == bytes(1, 1000) && cache.is_cached("read")?);
    drop(reader);
    assert!(matches!(fill_sized(&cache, "new", &other), Outcome::Cached(_)));
    assert_eq!(listed(&cache), ["new"]);
    Ok(())
}

fn an_image_of_unknown_length_makes_room_as_it_grows(temp: &TempCache) -> Tested {
    let temp = &TempCache::in_memory(temp.driver());
    let cache = hard(temp, 8 * MIB);
    for seed in 0..8 {
        fill_sized(&cache, &seed.to_string(), &image(seed, MIB - 1));
    }
    let large = image(9, 6 * MIB);
    let mut reader = cache.caching_reader("large", &large[..], Expected::nothing())?;
    let mut came = vec![0; 1 << 20];
    reader.read_exact(&mut came)?;
    let left = listed(&cache).len();
    assert!(
        (5..8).contains(&left),
        "more images were evicted than necessary: {left} of 8 are left"
    );
    reader.read_to_end(&mut came)?;
    assert!(came == large && matches!(reader.outcome(), Some(Outcome::Cached(_))));
    assert!(cache.cache_size()?.bytes <= 8 * MIB && listed(&cache).contains(&"7".into()));
    temp.records_in_sync();
    Ok(())
}

fn running_fills_count_against_the_hard_limit(temp: &TempCache) -> Tested {
    let (cache, other) = (hard(temp, 3000), hard(temp, 3000));
    let first = bytes(1, 2000);
    let mut reader = cache.caching_reader("first", &first[..], sized(2000))?;
    let reason = passes(&other, "second", &bytes(2, 1001), sized(1001))?;
    assert!(
        reason.contains("other fills take up 2.0 KB") || reason.contains("2.0 KiB"),
        "{reason}"
    );
    assert!(matches!(fill_sized(&other, "third", &bytes(3, 1000)), Outcome::Cached(_)));
    reader.read_to_end(&mut Vec::new())?;
    assert!(matches!(reader.outcome(), Some(Outcome::Cached(_))));
    assert_eq!(cache.cache_size()?.bytes, 3000);
    // An aborted fill reserves no space.
    drop(cache.caching_reader("fourth", &first[..], sized(2500))?);
    assert!(matches!(fill_sized(&other, "fifth", &bytes(5, 3000)), Outcome::Cached(_)));
    assert_eq!(listed(&cache), ["fifth"]);
    Ok(())
}

fn fills_of_a_cache_without_a_limit_count_too(temp: &TempCache) -> Tested {
    let temp = &TempCache::in_memory(temp.driver());
    let (free, cache) = (temp.open(), hard(temp, 4 * MIB));
    let image = image(1, 3 * MIB);
    let mut reader = free.caching_reader("a", &image[..], sized(3 * MIB))?;
    passes(&cache, "b", &image[..2 << 20], sized(2 * MIB))?;
    reader.read_to_end(&mut Vec::new())?;
    assert!(matches!(fill_sized(&cache, "b", &image[..2 << 20]), Outcome::Cached(_)));
    assert_eq!(listed(&cache), ["b"]);
    Ok(())
}

fn dead_writers_hold_no_room(temp: &TempCache) -> Tested {
    let cache = hard(temp, 3000);
    let left = temp.put("incomplete/dead", &[7; 2500]);
    // Without attributes there is no wrong size.
    let _ = xattr::set(left, "user.image-cache.reserved", b"2500");
    assert!(matches!(fill_sized(&cache, "a", &bytes(1, 3000)), Outcome::Cached(_)));
    Ok(())
}

#[test]
fn where_nothing_can_be_reserved_images_are_cached_unless_a_hard_limit_must_hold() -> Tested {
    let Some(mount) = Mount::ramfs() else { return Ok(()) };
    let temp = TempCache::at("sqlite", mount.path().join("cache"));
    let cache = temp.open();
    assert!(matches!(fill_sized(&cache, "a", &bytes(1, 100_000)), Outcome::Cached(_)));
    let cache = hard(&temp, MIB);
    let reason = passes(&cache, "b", &bytes(2, 1000), sized(1000))?;
    assert!(reason.contains("cannot reserve space"), "{reason}");
    let cache = temp.open_with(|config| config.min_free(MIB));
    assert!(matches!(fill_sized(&cache, "b", &bytes(2, 1000)), Outcome::Cached(_)));
    Ok(())
}
