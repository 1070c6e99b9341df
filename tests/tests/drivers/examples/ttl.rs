//! TTL: images above the age limit are evicted, and images above the size limit are not admitted.

use super::{ALL, DAY, GIB, HOUR, MIB, TTL, Trial, at, id, refusal};
use image_cache::{CachedImage, Checksum, ChecksumAlgorithm};
use image_cache_tests::Tested;
use std::fs::File;

#[test]
fn an_image_above_the_age_limit_is_evicted_even_if_there_is_room() -> Tested {
    let Some(trial) = Trial::new(&TTL, &[("max-age", "7d")])? else { return Ok(()) };
    trial.add("older", MIB, 0)?;
    trial.add("old", MIB, HOUR)?;
    trial.add("young", MIB, 5 * DAY)?;
    assert_eq!(trial.victims(0, 7 * DAY - 1)?, [""; 0]);
    assert_eq!(trial.victims(0, 7 * DAY)?, ["older"]);
    // Reading an image does not change its age.
    trial.hit("older", [7 * DAY])?;
    assert_eq!(trial.victims(0, 8 * DAY)?, ["older", "old"]);
    Ok(())
}

#[test]
fn images_above_the_age_limit_are_evicted_first_and_then_the_least_recently_used() -> Tested {
    let Some(trial) = Trial::new(&TTL, &[("max-age", "7d")])? else { return Ok(()) };
    trial.add("old", MIB, 0)?;
    trial.add("unread", MIB, 6 * DAY)?;
    trial.add("read", MIB, 6 * DAY)?;
    trial.hit("unread", [7 * DAY])?;
    trial.hit("read", [7 * DAY + HOUR])?;
    trial.hit("old", [7 * DAY + 2 * HOUR])?;
    assert_eq!(trial.victims(1, 8 * DAY)?, ["old"]);
    assert_eq!(trial.victims(MIB + 1, 8 * DAY)?, ["old", "unread"]);
    assert_eq!(trial.victims(ALL, 8 * DAY)?, ["old", "unread", "read"]);
    Ok(())
}

#[test]
fn without_an_age_limit_no_image_is_too_old() -> Tested {
    let Some(trial) = Trial::new(&TTL, &[])? else { return Ok(()) };
    trial.add("ancient", MIB, 0)?;
    assert_eq!(trial.victims(0, 10_000 * DAY)?, [""; 0]);
    Ok(())
}

#[test]
fn an_image_that_is_too_large_is_not_admitted() -> Tested {
    let Some(mut trial) = Trial::new(&TTL, &[("max-image-size", "20 GiB")])? else { return Ok(()) };
    let admits = |trial: &Trial, size| trial.admits("new", size, 0);
    assert!(admits(&trial, Some(20 * GIB))?);
    assert!(!admits(&trial, Some(20 * GIB + 1))?);
    assert!(admits(&trial, None)?);
    trial.reconfigure(&[("max-image-size", "20 GiB"), ("unknown-size", "refuse")])?;
    assert!(!admits(&trial, None)?);
    assert!(admits(&trial, Some(0))?);
    Ok(())
}

#[test]
fn a_checksum_is_forgotten_where_the_file_is_another() -> Tested {
    let Some(trial) = Trial::new(&TTL, &[])? else { return Ok(()) };
    let checksum = Checksum::new(ChecksumAlgorithm::Md5, "d41d8cd98f00b204e9800998ecf8427e")?;
    trial.add("image", MIB, 0)?;
    let record = CachedImage::new(id("image"), MIB, at(0))
        .with_hits(7)
        .with_last_accessed(at(5))
        .with_checksum(Some(checksum));
    trial.driver.record_cached(&record, None)?;
    assert_eq!(trial.driver.cached_image(&id("image"))?, Some(record.clone()));
    File::options().write(true).open(trial.config.dir.join("image"))?.set_modified(at(60))?;
    let changed = record.with_last_modified(at(60)).with_checksum(None);
    assert_eq!(trial.driver.cached_image(&id("image"))?, Some(changed));
    Ok(())
}

#[test]
fn long_lists_are_paged_and_each_page_continues_after_the_last_one() -> Tested {
    let Some(trial) = Trial::new(&TTL, &[])? else { return Ok(()) };
    let mut names: Vec<String> = (0..2500).map(|n| format!("{:032x}", n * 7919 % 2500)).collect();
    for name in &names {
        trial.add(name, 1, 0)?;
    }
    names.sort();
    let mut listed: Vec<String> = Vec::new();
    loop {
        let after = listed.last().map(|name| id(name));
        let page = trial.driver.cached_images(after.as_ref(), 700)?;
        if page.is_empty() {
            break;
        }
        listed.extend(page.into_iter().map(|image| image.image_id.to_string()));
    }
    assert_eq!(listed, names);
    Ok(())
}

#[test]
fn options_that_are_wrong_are_refused_by_name() -> Tested {
    let wrong = [
        ("max-age", "", "is not a time"),
        ("max-age", "0d", "is not a time"),
        ("max-age", "7", "is not a time"),
        ("max-age", "-7d", "is not a time"),
        ("max-age", "1.5d", "is not a time"),
        ("max-age", "99999999999999d", "is not a time"),
        ("max-image-size", "0", "is not a size"),
        ("max-image-size", "20 GB", "is not a size"),
        ("max-image-size", "20000000 TiB", "is not a size"),
        ("unknown-size", "perhaps", "is not admit or refuse"),
        ("max_age", "7d", "unknown option max_age; this driver takes max-age"),
    ];
    for (name, value, said) in wrong {
        let Some(words) = refusal(&TTL, &[(name, value)])? else { return Ok(()) };
        assert!(words.contains(said) && words.contains(name), "{name} = {value:?}: {words}");
    }
    Ok(())
}
