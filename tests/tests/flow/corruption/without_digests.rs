//! Images without digests, or with damaged digests: which bytes are trusted, and from when on.

use super::{MIB, digests, flip, only_digests, refused};
use image_cache::Trust;
use image_cache_tests::{TempCache, Tested, bytes, fill, read_all, serve, with_both_drivers};
use std::fs;
use std::io::{self, ErrorKind};
use std::time::{Duration, SystemTime};

with_both_drivers![
    without_digests_the_checksum_is_verified_first_and_once,
    without_digests_and_with_a_wrong_checksum_nothing_is_served,
    an_image_from_glance_is_trusted_on_first_use_and_verified_from_then_on,
    blocks_are_trusted_one_by_one,
    damaged_digests_make_no_image_unreadable,
    another_image_s_digests_are_none,
];

fn without_digests_the_checksum_is_verified_first_and_once(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(10, MIB + 77));
    fill(&cache, "a", &image);
    drop(cache);
    fs::remove_file(only_digests(temp))?;
    let cache = temp.open();
    assert_eq!(cache.trust("a")?, Some(Trust::NotYet));
    let part = cache.open_range("a", 5..10)?.ok_or("it is cached")?;
    assert!(read_all(part)? == image[5..10]);
    assert_eq!((cache.trust("a")?, digests(temp)), (Some(Trust::Checksum), 1));
    drop(cache);
    let cache = temp.open();
    assert_eq!(cache.trust("a")?, Some(Trust::Checksum));
    flip(&temp.path("a"), MIB as u64 + 3)?;
    assert!(refused(&cache, "a") == image[..MIB], "each block is verified with its digest");
    Ok(())
}

fn without_digests_and_with_a_wrong_checksum_nothing_is_served(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(11, 2 * MIB));
    fill(&cache, "a", &image);
    drop(cache);
    fs::remove_file(only_digests(temp))?;
    flip(&temp.path("a"), 2 * MIB as u64 - 1)?;
    let cache = temp.open();
    assert_eq!(refused(&cache, "a").len(), 0);
    let reason = cache.invalid_reason("a")?.ok_or("the file says why")?;
    assert!(reason.contains("MD5"), "{reason}");
    assert!(!cache.is_cached("a")?);
    Ok(())
}

fn an_image_from_glance_is_trusted_on_first_use_and_verified_from_then_on(
    temp: &TempCache,
) -> Tested {
    let image = bytes(12, 2 * MIB + 5);
    for id in ["a", "empty"] {
        temp.put(id, if id == "a" { &image } else { b"" });
    }
    let cache = temp.open();
    assert_eq!((cache.trust("a")?, digests(temp)), (Some(Trust::NotYet), 0));
    assert!(serve(&cache, "a")? == image && serve(&cache, "empty")?.is_empty());
    assert_eq!(
        (cache.trust("a")?, cache.trust("empty")?),
        (Some(Trust::FirstUse), Some(Trust::FirstUse))
    );
    drop(cache);
    let cache = temp.open();
    assert_eq!((cache.trust("a")?, digests(temp)), (Some(Trust::FirstUse), 2));
    assert!(serve(&cache, "a")? == image);
    flip(&temp.path("a"), 2 * MIB as u64 + 1)?;
    assert!(refused(&cache, "a") == image[..2 * MIB]);
    Ok(())
}

fn blocks_are_trusted_one_by_one(temp: &TempCache) -> Tested {
    let image = bytes(13, 3 * MIB);
    temp.put("a", &image);
    let cache = temp.open();
    let read = |range: std::ops::Range<u64>| -> io::Result<Vec<u8>> {
        read_all(cache.open_range("a", range)?.ok_or(ErrorKind::NotFound)?)
    };
    assert!(read(10..20)? == image[10..20]);
    assert_eq!((cache.trust("a")?, digests(temp)), (Some(Trust::NotYet), 0));
    // Not read yet, so the damage is not detectable.
    flip(&temp.path("a"), MIB as u64)?;
    assert!(read(MIB as u64..MIB as u64 + 1)? != image[MIB..MIB + 1]);
    // Read before.
    flip(&temp.path("a"), MIB as u64 - 1)?;
    assert!(read(5..6).is_err() && !cache.is_cached("a")?);
    Ok(())
}

fn damaged_digests_make_no_image_unreadable(temp: &TempCache) -> Tested {
    let image = bytes(14, MIB + 77);
    fill(&temp.open(), "a", &image);
    let file = only_digests(temp);
    let whole = fs::read(&file)?;
    let damages: [&dyn Fn() -> io::Result<()>; 5] = [
        &|| flip(&file, 60),
        &|| fs::write(&file, &whole[..whole.len() - 8]),
        &|| fs::write(&file, b""),
        &|| fs::write(&file, vec![0; whole.len()]),
        &|| fs::write(&file, [&whole[..], &whole[..]].concat()),
    ];
    for (n, damage) in damages.into_iter().enumerate() {
        damage()?;
        let cache = temp.open();
        assert!(serve(&cache, "a")? == image, "{n}");
        assert_eq!(cache.trust("a")?, Some(Trust::Checksum), "{n}: they were created again");
    }
    fs::remove_file(&file)?;
    fs::create_dir(&file)?;
    let cache = temp.open();
    assert!(serve(&cache, "a")? == image, "an unreadable digest file does not prevent it either");
    flip(&temp.path("a"), 5)?;
    refused(&cache, "a");
    Ok(())
}

fn another_image_s_digests_are_none(temp: &TempCache) -> Tested {
    let cache = temp.open();
    fill(&cache, "a", &bytes(15, 5000));
    let of_a = only_digests(temp);
    fill(&cache, "b", &bytes(16, 5000));
    drop(cache);
    let names = temp.names(".image-cache/blocks");
    let of_b = names.iter().map(|name| temp.path(&format!(".image-cache/blocks/{name}")));
    let of_b = of_b.into_iter().find(|path| *path != of_a).ok_or("b has digests")?;
    let scratch = temp.path(".image-cache/scratch");
    for (from, to) in [(&of_a, &scratch), (&of_b, &of_a), (&scratch, &of_b)] {
        fs::rename(from, to)?;
    }
    let cache = temp.open();
    assert!(serve(&cache, "a")? == bytes(15, 5000) && serve(&cache, "b")? == bytes(16, 5000));
    assert_eq!(cache.trust("a")?, Some(Trust::Checksum), "its checksum was verified instead");
    Ok(())
}

#[test]
fn an_image_that_glance_replaced_and_recorded_is_adopted() -> Tested {
    for (len, recorded) in [(5000, true), (4000, true), (5000, false)] {
        let temp = TempCache::new("sqlite");
        fill(&temp.open(), "a", &bytes(22, 5000));
        let theirs = bytes(23, len);
        fs::remove_file(temp.path("a"))?;
        temp.put("a", &theirs);
        if recorded {
            let later = SystemTime::now() + Duration::from_secs(1);
            let later = later.duration_since(SystemTime::UNIX_EPOCH)?.as_secs_f64();
            temp.database().execute(
                "UPDATE cached_images SET size = ?, last_modified = ?, checksum = NULL",
                (i64::try_from(len)?, later),
            )?;
        }
        let cache = temp.open();
        if recorded {
            assert!(serve(&cache, "a")? == theirs);
            assert_eq!(cache.trust("a")?, Some(Trust::FirstUse));
        } else {
            refused(&cache, "a");
        }
    }
    Ok(())
}
