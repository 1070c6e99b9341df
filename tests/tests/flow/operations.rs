//! The results of each operation.

use image_cache::{CacheSize, Error, Expected, ImageCache, Outcome};
use image_cache_tests::{
    Source, TempCache, Tested, bytes, fill, listed, md5_hex, queued, read_all, serve,
    with_both_drivers,
};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::atomic::Ordering;

with_both_drivers![
    every_answer_follows_an_image_from_absent_to_cached,
    deleting_an_absent_image_is_not_an_error,
    deleting_all_images_leaves_queue_and_invalid_alone,
    a_deleted_image_can_be_cached_again,
    records_are_listed_by_the_bytes_of_their_ids,
    a_file_is_cached_from_its_current_position,
    a_file_of_another_length_than_expected_is_refused,
    an_image_that_is_not_cacheable_costs_its_source_no_read,
    status_counts_the_entries_of_the_directory,
    the_outcome_is_the_record_in_the_records,
    an_image_may_be_cached_queued_and_invalid_at_once,
    clones_are_one_cache,
    a_read_of_nothing_changes_nothing,
    a_file_that_cannot_be_read_is_refused,
    a_database_in_a_folder_of_its_own_serves_too,
];

fn every_answer_follows_an_image_from_absent_to_cached(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(1, 70_000));
    assert!(!cache.is_cached("a")? && !cache.is_queued("a")? && !cache.is_being_cached("a")?);
    assert!(cache.is_cacheable("a", None)? && cache.is_cacheable("a", Some(70_000))?);
    assert_eq!(
        (cache.image_size("a")?, cache.hit_count("a")?, cache.cached_image("a")?),
        (None, 0, None)
    );
    assert!(cache.open_for_read("a")?.is_none() && cache.open_range("a", 0..1)?.is_none());
    assert_eq!((cache.cached_images()?, cache.cache_size()?), (vec![], CacheSize::default()));

    let mut reader = cache.caching_reader("a", &image[..], Expected::nothing())?;
    reader.read_exact(&mut [0; 1000])?;
    assert!(
        cache.is_being_cached("a")? && !cache.is_cached("a")? && !cache.is_cacheable("a", None)?
    );
    assert!(cache.image_size("a")?.is_none() && listed(&cache).is_empty());
    assert_eq!(reader.outcome(), None);

    reader.read_to_end(&mut Vec::new())?;
    let Some(Outcome::Cached(record)) = reader.outcome() else { panic!("{:?}", reader.outcome()) };
    assert_eq!((record.size, record.hits, record.image_id.as_str()), (70_000, 0, "a"));
    assert!(
        cache.is_cached("a")? && !cache.is_being_cached("a")? && !cache.is_cacheable("a", None)?
    );
    assert_eq!((cache.image_size("a")?, listed(&cache)), (Some(70_000), vec!["a".to_owned()]));
    assert_eq!(cache.cache_size()?, CacheSize { images: 1, bytes: 70_000 });
    assert_eq!(temp.records_in_sync()["a"].checksum, Some(md5_hex(&image)));
    Ok(())
}

fn deleting_an_absent_image_is_not_an_error(temp: &TempCache) -> Tested {
    let cache = temp.open();
    assert!(!cache.delete_cached_image("a")? && !cache.delete_queued_image("a")?);
    assert_eq!((cache.delete_all_cached_images()?, cache.delete_all_queued_images()?), (0, 0));
    fill(&cache, "a", b"image");
    assert!(cache.delete_cached_image("a")? && !cache.delete_cached_image("a")?);
    assert!(temp.records_in_sync().is_empty());
    Ok(())
}

fn deleting_all_images_leaves_queue_and_invalid_alone(temp: &TempCache) -> Tested {
    let cache = temp.open();
    (0..70).for_each(|n| drop(fill(&cache, &format!("image-{n}"), &bytes(n, 10))));
    assert!(cache.queue_image("wanted")?);
    drop(cache.caching_reader("broken", &b"bytes"[..], Expected::nothing())?);
    assert_eq!(cache.delete_all_cached_images()?, 70);
    assert!(temp.records_in_sync().is_empty() && listed(&cache).is_empty());
    assert_eq!((queued(&cache), cache.status()?.invalid), (vec!["wanted".to_owned()], 1));
    assert_eq!(cache.delete_all_queued_images()?, 1);
    Ok(())
}

fn a_deleted_image_can_be_cached_again(temp: &TempCache) -> Tested {
    let cache = temp.open();
    fill(&cache, "a", b"one");
    serve(&cache, "a")?;
    cache.delete_cached_image("a")?;
    assert_eq!((cache.hit_count("a")?, cache.cached_image("a")?), (0, None));
    fill(&cache, "a", b"another");
    assert_eq!((cache.hit_count("a")?, serve(&cache, "a")?), (0, b"another".to_vec()));
    assert_eq!(temp.records_in_sync()["a"].checksum, Some(md5_hex(b"another")));
    Ok(())
}

fn records_are_listed_by_the_bytes_of_their_ids(temp: &TempCache) -> Tested {
    let cache = temp.open();
    let mut ids = vec![
        "b", "a", "B", "é", "a b", "ab", "a-1", "%_'\"--;", "ノ", "10", "9", "a.b", "😀",
        "\u{ffee}",
    ];
    ids.iter().for_each(|id| drop(fill(&cache, id, id.as_bytes())));
    ids.sort_unstable_by_key(|id| id.as_bytes());
    assert_eq!(listed(&cache), ids);
    for image in cache.cached_images()? {
        assert_eq!(image.size, image.image_id.as_str().len() as u64);
        assert_eq!(cache.cached_image(image.image_id.as_str())?, Some(image));
    }
    Ok(())
}

fn a_file_is_cached_from_its_current_position(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(2, 5000));
    let mut file = tempfile::tempfile()?;
    file.write_all(&image)?;
    file.seek(SeekFrom::Start(1000))?;
    let outcome = cache.cache_image_file(
        "a",
        &mut file,
        Expected::nothing().with_md5(&md5_hex(&image[1000..]))?,
    )?;
    assert!(matches!(outcome, Outcome::Cached(record) if record.size == 4000));
    assert_eq!(serve(&cache, "a")?, image[1000..]);
    Ok(())
}

fn a_file_of_another_length_than_expected_is_refused(temp: &TempCache) -> Tested {
    let cache = temp.open();
    let mut file = tempfile::tempfile()?;
    file.write_all(b"12345")?;
    file.rewind()?;
    let error = cache
        .cache_image_file("a", &mut file, Expected::nothing().with_size(6))
        .expect_err("it is refused");
    assert!(matches!(error, Error::SizeMismatch { expected: 6, found: 5, .. }), "{error}");
    assert!(!cache.is_cached("a")?);
    Ok(())
}

fn an_image_that_is_not_cacheable_costs_its_source_no_read(temp: &TempCache) -> Tested {
    let cache = temp.open();
    fill(&cache, "cached", b"image");
    let mut writer = cache.caching_reader("coming", &b"image"[..], Expected::nothing())?;
    for (id, expected) in [("cached", Outcome::AlreadyCached), ("coming", Outcome::BeingCached)] {
        let source = Source::of("another image");
        let reads = source.reads();
        assert_eq!(cache.cache_image(id, source, Expected::nothing())?, expected);
        assert_eq!(reads.load(Ordering::Relaxed), 0);
    }
    writer.read_to_end(&mut Vec::new())?;
    assert_eq!(
        (serve(&cache, "cached")?, serve(&cache, "coming")?),
        (b"image".to_vec(), b"image".to_vec())
    );
    Ok(())
}

fn status_counts_the_entries_of_the_directory(temp: &TempCache) -> Tested {
    let cache = temp.open_with(|config| config.max_size(12_345));
    fill(&cache, "a", &bytes(1, 100));
    fill(&cache, "b", &[]);
    cache.queue_image("c")?;
    drop(cache.caching_reader("d", &b"x"[..], Expected::nothing())?);
    let _writer = cache.caching_reader("e", &b"x"[..], Expected::nothing())?;
    let status = cache.status()?;
    assert_eq!(
        (status.driver.name.as_str(), status.driver.version.is_empty()),
        (temp.driver(), false)
    );
    assert_eq!((status.cached, status.max_size), (CacheSize { images: 2, bytes: 100 }, 12_345));
    assert_eq!((status.queued, status.incomplete, status.invalid), (1, 1, 1));
    assert_eq!((status.warnings.as_slice(), status.cache_failures), (&[][..], 0));
    Ok(())
}

fn the_outcome_is_the_record_in_the_records(temp: &TempCache) -> Tested {
    let cache = temp.open();
    let record = fill(&cache, "a", b"image");
    assert_eq!(cache.cached_image("a")?, Some(record.clone()));
    assert_eq!(cache.cached_images()?, vec![record]);
    Ok(())
}

fn an_image_may_be_cached_queued_and_invalid_at_once(temp: &TempCache) -> Tested {
    let cache = temp.open();
    fill(&cache, "a", b"image");
    temp.put("queue/a", b"");
    temp.put("invalid/a", b"imag");
    assert!(cache.is_cached("a")? && cache.is_queued("a")?);
    assert_eq!((cache.clean(None)?.invalid, cache.delete_queued_image("a")?), (1, true));
    assert_eq!(serve(&cache, "a")?, b"image");
    Ok(())
}

fn clones_are_one_cache(temp: &TempCache) -> Tested {
    fn may_be_shared<T: Clone + Send + Sync + 'static>(_: &T) {}
    let cache = temp.open();
    may_be_shared::<ImageCache>(&cache);
    let clone = cache.clone();
    drop(cache);
    let filling = clone.clone();
    std::thread::spawn(move || fill(&filling, "a", b"image"))
        .join()
        .map_err(|_| "the thread panicked")?;
    let reader = clone.open_for_read("a")?.ok_or("it was cached")?;
    drop(clone);
    assert_eq!(read_all(reader)?, b"image");
    assert_eq!(temp.records_in_sync()["a"].hits, 1, "a reader may outlive the caches");
    Ok(())
}

fn a_read_of_nothing_changes_nothing(temp: &TempCache) -> Tested {
    let cache = temp.open();
    let mut reader = cache.caching_reader("a", &[][..], Expected::nothing())?;
    assert_eq!(reader.read(&mut [])?, 0);
    assert!(reader.outcome().is_none(), "the reader has not reached the end yet");
    assert_eq!((reader.read(&mut [0])?, reader.read(&mut [0])?), (0, 0));
    assert!(matches!(reader.outcome(), Some(Outcome::Cached(_))));
    let mut cached = cache.open_for_read("a")?.ok_or("it was cached")?;
    assert_eq!((cached.read(&mut [])?, cache.hit_count("a")?), (0, 0));
    assert_eq!((cached.read(&mut [0])?, cache.hit_count("a")?), (0, 1));
    Ok(())
}

fn a_file_that_cannot_be_read_is_refused(temp: &TempCache) -> Tested {
    let cache = temp.open();
    let scratch = tempfile::tempdir()?;
    let mut write_only = File::create(scratch.path().join("file"))?;
    write_only.write_all(b"image")?;
    for mut file in [write_only, File::open(scratch.path())?] {
        let failed = cache.cache_image_file("a", &mut file, Expected::nothing());
        assert!(matches!(failed, Err(Error::UnsuitableFile { .. })), "{failed:?}");
    }
    assert!(!cache.is_cached("a")? && temp.names("incomplete").is_empty());
    Ok(())
}

fn a_database_in_a_folder_of_its_own_serves_too(temp: &TempCache) -> Tested {
    let open = || temp.open_with(|config| config.sqlite_db("records/mine.db"));
    let cache = open();
    fill(&cache, "a", b"image");
    serve(&cache, "a")?;
    drop(cache);
    assert_eq!(temp.path("records/mine.db").exists(), temp.driver() == "sqlite");
    let cache = open();
    assert_eq!((listed(&cache), cache.hit_count("a")?), (vec!["a".to_owned()], 1));
    assert!(!cache.is_cached("records")?);
    Ok(())
}
