//! Faults of the cache: readers do not notice them, no incomplete file remains, and the next fetch succeeds.

use image_cache::{DriverConfig, Error, Expected, Grant, ImageCache, Outcome};
use image_cache_tests::{
    Mount, Source, TempCache, Tested, bytes, fill, listed, md5_hex, read_until_error, serve, until,
    with_both_drivers, wrong_md5,
};
use std::fs;
use std::io;
use std::path::Path;

with_both_drivers![
    a_full_disk_costs_the_reader_nothing,
    a_disk_that_is_full_at_the_last_moment_loses_no_image,
    a_directory_in_the_place_of_the_incomplete_file_costs_the_reader_nothing,
    an_object_in_place_of_the_image_does_not_affect_the_reader,
    an_object_in_place_of_the_image_is_detected_before_the_source_is_read,
    a_file_removed_while_it_is_written_costs_the_reader_nothing,
    a_lost_directory_costs_the_reader_nothing,
];

const MIB: usize = 1 << 20;

/// Reads an image that the cache cannot store: the reader gets it completely and verified, the failure is counted, and nothing
/// remains of it.
fn assert_passes(
    temp: &TempCache,
    cache: &ImageCache,
    id: &str,
    source: Source,
    image: &[u8],
) -> Tested {
    let failures = cache.status()?.cache_failures;
    let expected = Expected::nothing().with_md5(&md5_hex(image))?.with_size(image.len() as u64);
    let mut reader = cache.caching_reader(id, source, expected)?;
    let (came, end) = read_until_error(&mut reader, 10_000);
    end?;
    assert!(came == image, "the reader gets every byte");
    let Some(Outcome::CacheFailed(reason)) = reader.outcome() else {
        panic!("{:?}", reader.outcome())
    };
    assert!(!reason.to_string().is_empty());
    assert_eq!(cache.status()?.cache_failures, failures + 1);
    assert!(
        !cache.is_cached(id)?
            && !cache.is_being_cached(id)?
            && !temp.records_in_sync().contains_key(id)
    );
    assert!(
        !temp.names("invalid").contains(id),
        "rolled back, because it did not fail verification"
    );

    let wrong = Expected::nothing().with_md5(&wrong_md5(image))?;
    let (came, end) = read_until_error(&mut cache.caching_reader(id, image, wrong)?, 10_000);
    assert!(
        came.len() < image.len() && end.is_err_and(|e| e.kind() == io::ErrorKind::InvalidData),
        "still verified"
    );
    cache.clean(None)?;
    Ok(())
}

fn a_full_disk_costs_the_reader_nothing(temp: &TempCache) -> Tested {
    let Some(mount) = Mount::tmpfs(3 * MIB as u64) else { return Ok(()) };
    let temp = &TempCache::at(temp.driver(), mount.path().join("cache"));
    let (cache, image) = (temp.open(), bytes(1, 8 * MIB));
    fill(&cache, "good", &bytes(2, 1000));
    cache.queue_image("large")?;
    assert_passes(temp, &cache, "large", Source::of(&image[..]), &image)?;
    let outcome = cache.cache_image("large", &image[..], Expected::nothing())?;
    assert!(
        matches!(outcome, Outcome::CacheFailed(reason) if reason.to_string().contains("space"))
    );
    assert_eq!(
        (temp.names("incomplete").len(), temp.names("invalid").len()),
        (0, 0),
        "rolled back"
    );
    assert!(cache.is_queued("large")?);
    fill(&cache, "small", &bytes(3, MIB));
    assert!(serve(&cache, "small")? == bytes(3, MIB) && serve(&cache, "good")? == bytes(2, 1000));
    assert_eq!(temp.records_in_sync().len(), 2);
    Ok(())
}

/// Fills the disk to the last byte.
fn hog(folder: &Path) {
    let mut hog = fs::File::create(folder.join("hog")).expect("a file can be made");
    while io::copy(&mut io::repeat(1), &mut hog).is_ok() {}
}

fn a_disk_that_is_full_at_the_last_moment_loses_no_image(temp: &TempCache) -> Tested {
    let Some(mount) = Mount::tmpfs(3 * MIB as u64) else { return Ok(()) };
    let temp = &TempCache::at(temp.driver(), mount.path().join("cache"));
    let (cache, image) = (temp.open(), bytes(4, MIB));
    // Whole blocks, so that every byte is on disk before the records are written.
    let folder = mount.path().to_owned();
    let source = Source::of(&image[..]).then(move || hog(&folder));
    let outcome = cache.cache_image("a", source, Expected::nothing())?;
    assert!(matches!(outcome, Outcome::Cached(_)), "{outcome:?}");
    assert!(serve(&cache, "a")? == image);
    fs::remove_file(mount.path().join("hog"))?;
    assert!(until(|| listed(&cache) == ["a"]), "adopted as soon as the records can be written");
    temp.records_in_sync();
    Ok(())
}

fn a_directory_in_the_place_of_the_incomplete_file_costs_the_reader_nothing(
    temp: &TempCache,
) -> Tested {
    let (cache, image) = (temp.open(), bytes(5, 300_000));
    fs::create_dir(temp.path("incomplete/a"))?;
    assert_passes(temp, &cache, "a", Source::of(&image[..]), &image)?;
    assert!(cache.is_cacheable("a", None)?, "it has no writer");
    fs::remove_dir(temp.path("incomplete/a"))?;
    fill(&cache, "a", &image);
    Ok(())
}

fn an_object_in_place_of_the_image_does_not_affect_the_reader(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(6, 300_000));
    cache.queue_image("a")?;
    fs::create_dir(temp.path("a"))?;
    assert_passes(temp, &cache, "a", Source::of(&image[..]), &image)?;
    assert!(cache.is_queued("a")? && temp.names("incomplete").is_empty());
    fs::remove_dir(temp.path("a"))?;
    std::os::unix::fs::symlink("/dev/null", temp.path("a"))?;
    assert_passes(temp, &cache, "a", Source::of(&image[..]), &image)?;
    fs::remove_file(temp.path("a"))?;
    fill(&cache, "a", &image);
    temp.records_in_sync();
    Ok(())
}

fn an_object_in_place_of_the_image_is_detected_before_the_source_is_read(
    temp: &TempCache,
) -> Tested {
    struct Untouched;
    impl io::Read for Untouched {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            panic!("nothing can be cached")
        }
    }
    let cache = temp.open_with(|config| config.sqlite_db("sub/records.db"));
    std::os::unix::fs::symlink("/dev/null", temp.path("a"))?;
    fs::create_dir_all(temp.path("sub"))?;
    for id in ["a", "sub"] {
        let outcome = cache.cache_image(id, Untouched, Expected::nothing())?;
        assert!(
            matches!(&outcome, Outcome::CacheFailed(why) if why.to_string().contains("no regular file; move it away")),
            "{outcome:?}"
        );
    }
    fs::create_dir(temp.path("queue/a"))?;
    let error = cache.queue_image("a").expect_err("it is not an entry").to_string();
    assert!(error.contains("queue/a is no regular file"), "{error}");
    Ok(())
}

fn a_file_removed_while_it_is_written_costs_the_reader_nothing(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(7, 600_000));
    let incomplete = temp.path("incomplete/a");
    let source = Source::of(&image[..])
        .then(move || fs::remove_file(incomplete).expect("it is being written"));
    assert_passes(temp, &cache, "a", source, &image)?;
    let (incomplete, other) = (temp.path("incomplete/a"), b"another program's");
    let replace = move || {
        fs::remove_file(&incomplete).expect("it is being written");
        fs::write(&incomplete, other).expect("it can be written");
    };
    assert_passes(temp, &cache, "a", Source::of(&image[..]).then(replace), &image)?;
    fill(&cache, "a", &image);
    assert!(serve(&cache, "a")? == image);
    Ok(())
}

fn a_lost_directory_costs_the_reader_nothing(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(8, 300_000));
    fs::remove_dir(temp.path("incomplete"))?;
    let mut reader = cache.caching_reader("a", &image[..], Expected::nothing())?;
    let (came, end) = read_until_error(&mut reader, 1000);
    end?;
    assert!(came == image && matches!(reader.outcome(), Some(Outcome::CacheFailed(_))));
    drop(cache);
    fill(&temp.open(), "a", &image);
    Ok(())
}

#[test]
fn an_image_whose_record_cannot_be_written_is_cached_and_adopted_later() -> Tested {
    let temp = TempCache::new("sqlite");
    let (cache, image) = (temp.open(), bytes(9, 1000));
    fill(&cache, "before", b"image");
    temp.database().execute_batch("ALTER TABLE cached_images RENAME TO elsewhere")?;
    let mut reader =
        cache.caching_reader("a", &image[..], Expected::nothing().with_md5(&md5_hex(&image))?)?;
    let (came, end) = read_until_error(&mut reader, 100);
    end?;
    assert!(
        came == image && serve(&cache, "before")? == b"image",
        "images are served without records"
    );
    if cache.is_cached("a")? {
        assert!(serve(&cache, "a")? == image);
    } else {
        assert!(
            matches!(reader.outcome(), Some(Outcome::CacheFailed(_))),
            "{:?}",
            reader.outcome()
        );
    }
    assert!(matches!(cache.cached_images(), Err(Error::Metadata { .. }) | Ok(_)));
    temp.database().execute_batch(
        "DROP TABLE IF EXISTS cached_images; ALTER TABLE elsewhere RENAME TO cached_images",
    )?;
    assert!(until(|| listed(&cache).contains(&"before".to_owned())));
    if !cache.is_cached("a")? {
        fill(&cache, "a", &image);
    }
    assert!(until(|| listed(&cache) == ["a", "before"]));
    temp.records_in_sync();
    Ok(())
}

#[test]
fn an_image_that_the_driver_refuses_passes_through_verified() -> Tested {
    let temp = TempCache::new("faulty");
    let mut faulty = DriverConfig::new(env!("GUEST_FAULTY"));
    faulty.grants.insert(Grant::Sql);
    faulty.options.insert("refuse-larger".into(), "1000".into());
    let cache = temp.open_with(|config| config.define_driver("faulty", faulty));
    let image = bytes(10, 5000);
    assert!(!cache.is_cacheable("a", Some(1001))? && cache.is_cacheable("a", Some(1000))?);
    let sized = || Expected::nothing().with_size(5000);
    for expected in [sized(), sized().with_md5(&md5_hex(&image))?] {
        let mut reader = cache.caching_reader("a", &image[..], expected)?;
        let (came, end) = read_until_error(&mut reader, 999);
        end?;
        assert!(came == image);
        assert_eq!(reader.outcome(), Some(&Outcome::RefusedByDriver(None)));
    }
    for (expected, source) in
        [(sized().with_md5(&wrong_md5(&image))?, &image[..]), (sized(), &image[..4999])]
    {
        let (came, end) = read_until_error(&mut cache.caching_reader("a", source, expected)?, 1);
        assert!(came.len() < source.len() && end.is_err());
    }
    assert_eq!(cache.cache_image("a", &image[..], sized())?, Outcome::RefusedByDriver(None));
    assert_eq!(
        (cache.status()?.cache_failures, temp.images().len(), temp.names("invalid").len()),
        (0, 0, 0)
    );
    Ok(())
}
