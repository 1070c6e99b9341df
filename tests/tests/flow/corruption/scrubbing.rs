//! Verifying images that no client reads.

use super::{MIB, digests, flip, only_digests};
use image_cache::{Error, Trust};
use image_cache_tests::{TempCache, Tested, bytes, fill, listed, with_both_drivers};
use std::fs;

with_both_drivers![
    a_scrub_finds_damage_in_an_image_without_reads,
    a_scrub_makes_the_digests_that_are_missing,
];

fn a_scrub_finds_damage_in_an_image_without_reads(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(18, 3 * MIB + 1));
    fill(&cache, "a", &image);
    fill(&cache, "b", &image);
    let mut read = 0;
    let verified = cache.verify_with("a", |bytes| read += bytes)?.ok_or("it is cached")?;
    assert_eq!(
        (verified.size, verified.trust, read),
        (image.len() as u64, Trust::Fetched, verified.size)
    );
    flip(&temp.path("a"), 3 * MIB as u64)?;
    let error = cache.verify("a").expect_err("it is damaged");
    assert!(
        matches!(&error, Error::Corrupt { image_id, .. } if image_id.as_str() == "a"),
        "{error}"
    );
    assert_eq!((listed(&cache), cache.verify("a")?), (vec!["b".to_owned()], None));
    assert_eq!((cache.hit_count("b")?, cache.verify("b")?.is_some()), (0, true), "it is not a hit");
    temp.records_in_sync();
    Ok(())
}

fn a_scrub_makes_the_digests_that_are_missing(temp: &TempCache) -> Tested {
    let image = bytes(19, 2 * MIB);
    fill(&temp.open(), "ours", &image);
    fs::remove_file(only_digests(temp))?;
    temp.put("theirs", &image);
    let cache = temp.open();
    for (id, trust) in [("ours", Trust::Checksum), ("theirs", Trust::FirstUse)] {
        let mut read = 0;
        let verified = cache.verify_with(id, |bytes| read += bytes)?.ok_or("it is cached")?;
        assert_eq!((verified.trust, read), (trust, image.len() as u64), "{id} is read once");
    }
    assert_eq!(digests(temp), 2);
    Ok(())
}
