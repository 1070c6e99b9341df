//! Faults of Glance's cache that were reproduced there: each fault has a test, here or in the file that this list names.
//!
//! 1 (two writers of one image) also in `writers`; 3 (a killed writer) in `writers`; 7 (ids) in `image_ids` and
//! `no_images`; 8 (lost hits) in `many_threads`; 12 (an unexpected error of the source) in `sources`.

use image_cache::{Expected, Outcome};
use image_cache_tests::{
    Mount, Source, TempCache, Tested, bytes, fill, is_root, listed, md5_hex, read_all, serve,
    set_times, skip, with_both_drivers,
};
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

with_both_drivers![
    fault_1_a_second_writer_does_not_truncate_the_first_one_s_file,
    fault_2_an_orphan_is_adopted_listed_counted_and_evicted,
    fault_2_a_file_put_there_meanwhile_does_not_cost_the_good_images,
    fault_4_a_cached_image_survives_the_loss_of_power,
    fault_5_a_failed_fetch_does_not_delete_the_record_of_the_good_image,
    fault_6_journals_and_lock_files_are_no_images,
    fault_9_an_image_larger_than_memory_passes_in_pieces,
    fault_10_a_range_of_a_cached_image_needs_no_source,
];

fn fault_1_a_second_writer_does_not_truncate_the_first_one_s_file(temp: &TempCache) -> Tested {
    let (cache, other, image) = (temp.open(), temp.open(), bytes(1, 900_000));
    let expected = || Expected::nothing().with_md5(&md5_hex(&image));
    let mut first = cache.caching_reader("a", &image[..], expected()?)?;
    first.read_exact(&mut vec![0; 600_000])?;
    let inode = fs::metadata(temp.path("incomplete/a"))?;
    let mut second = other.caching_reader("a", &image[..], expected()?)?;
    second.read_exact(&mut [0; 1000])?;
    let now = fs::metadata(temp.path("incomplete/a"))?;
    assert_eq!((now.ino(), now.len()), (inode.ino(), inode.len()));
    first.read_to_end(&mut Vec::new())?;
    second.read_to_end(&mut Vec::new())?;
    assert_eq!(fs::metadata(temp.path("a"))?.ino(), inode.ino());
    assert!(fs::read(temp.path("a"))? == image, "the digest is that of the file");
    Ok(())
}

fn fault_2_an_orphan_is_adopted_listed_counted_and_evicted(temp: &TempCache) -> Tested {
    let cache = temp.open();
    fill(&cache, "good", &bytes(2, 1000));
    drop(cache);
    // The file was renamed, and the process died before the image was recorded.
    let orphan = temp.put("orphan", &bytes(3, 5000));
    let old = SystemTime::now() - Duration::from_secs(86_400);
    set_times(&orphan, old, old)?;
    let cache = temp.open_with(|config| config.max_size(1000));
    assert_eq!(
        (listed(&cache), cache.cache_size()?.bytes),
        (vec!["good".to_owned(), "orphan".to_owned()], 6000)
    );
    let pruned = cache.prune()?;
    assert_eq!((pruned.images, pruned.bytes), (1, 5000), "and not every good image");
    assert_eq!(listed(&cache), ["good"]);
    Ok(())
}

/// For example, another process cached it and could not record it.
fn fault_2_a_file_put_there_meanwhile_does_not_cost_the_good_images(temp: &TempCache) -> Tested {
    let cache = temp.open_with(|config| config.max_size(3000));
    for n in 0..3 {
        fill(&cache, &n.to_string(), &bytes(n, 1000));
    }
    let old = SystemTime::now() - Duration::from_secs(86_400);
    set_times(&temp.put("orphan", &bytes(3, 5000)), old, old)?;
    let pruned = cache.prune()?;
    assert_eq!((pruned.images, pruned.bytes), (1, 5000));
    assert_eq!(listed(&cache), ["0", "1", "2"]);
    Ok(())
}

fn run(command: &mut Command) -> Tested {
    let output = command.output()?;
    if output.status.success() { Ok(()) } else { Err(format!("{command:?}: {output:?}").into()) }
}

/// Copies the content of the disk while the file system is in use, like after a power loss.
fn fault_4_a_cached_image_survives_the_loss_of_power(temp: &TempCache) -> Tested {
    if !is_root("an ext4 in a file") {
        return Ok(());
    }
    let scratch = tempfile::tempdir()?;
    let (disk, after) = (scratch.path().join("disk"), scratch.path().join("after"));
    File::create(&disk)?.set_len(32 << 20)?;
    if let Err(error) = run(Command::new("mkfs.ext4").arg("-q").arg(&disk)) {
        skip(&format!("no ext4 can be made: {error}"));
        return Ok(());
    }
    let Some(mount) = Mount::ext4(&disk) else { return Ok(()) };
    let before = TempCache::at(temp.driver(), mount.path().join("cache"));
    let (cache, image) = (before.open(), bytes(4, 3_000_001));
    // The directory itself may still be only in memory, and would be created again.
    rustix::fs::syncfs(File::open(mount.path())?)?;
    fill(&cache, "a", &image);
    fs::copy(&disk, &after)?;

    let Some(mount) = Mount::ext4(&after) else { return Ok(()) };
    let temp = TempCache::at(temp.driver(), mount.path().join("cache"));
    assert!(
        fs::read(temp.path("a"))? == image,
        "the image is complete, not zeroed, and has its final name"
    );
    let cache = temp.open();
    assert_eq!((listed(&cache), serve(&cache, "a")? == image), (vec!["a".to_owned()], true));
    temp.records_in_sync();
    Ok(())
}

fn fault_5_a_failed_fetch_does_not_delete_the_record_of_the_good_image(temp: &TempCache) -> Tested {
    let (cache, other, image) = (temp.open(), temp.open(), bytes(5, 1000));
    let mut late = cache.caching_reader("a", &image[..], Expected::nothing().with_size(999))?;
    late.read_exact(&mut [0; 10])?;
    // During the fetch, another program adds a correct copy.
    temp.put("a", &image);
    drop(temp.open());
    assert_eq!(temp.records_in_sync().len(), 1);
    assert!(late.read_to_end(&mut Vec::new()).is_err());
    assert_eq!((listed(&cache), listed(&other)), (vec!["a".to_owned()], vec!["a".to_owned()]));
    for expected in [Expected::nothing().with_size(1), Expected::nothing().with_size(5000)] {
        assert!(read_all(cache.caching_reader("a", &image[..], expected)?).is_err());
    }
    drop(cache.caching_reader("a", &image[..], Expected::nothing())?);
    assert!(serve(&other, "a")? == image);
    assert_eq!(temp.records_in_sync()["a"].hits, 1);
    Ok(())
}

fn fault_6_journals_and_lock_files_are_no_images(temp: &TempCache) -> Tested {
    let cache = temp.open_with(|config| config.max_size(5));
    fill(&cache, "a", b"image");
    let beside = [
        ".image-cache",
        "a",
        "cache.db",
        "cache.db-shm",
        "cache.db-wal",
        "incomplete",
        "invalid",
        "queue",
    ];
    for name in temp.names("") {
        assert!(beside.contains(&name.as_str()), "{name} would count as an image to Glance");
    }
    assert_eq!((cache.cache_size()?.images, cache.cache_size()?.bytes), (1, 5));
    assert_eq!(cache.prune()?.images, 0);
    for id in ["cache.db", "cache.db-wal", "cache.db-shm", ".image-cache"] {
        assert!(cache.is_cached(id).is_err(), "{id}");
    }
    assert!(!cache.is_cached("lock")?);
    Ok(())
}

fn fault_9_an_image_larger_than_memory_passes_in_pieces(temp: &TempCache) -> Tested {
    let cache = temp.open();
    let source = Source::of(bytes(6, 8 << 20));
    let (most_asked, reads) = (source.most_asked(), source.reads());
    assert!(matches!(cache.cache_image("a", source, Expected::nothing())?, Outcome::Cached(_)));
    assert!(most_asked.load(Ordering::Relaxed) <= 1 << 20 && reads.load(Ordering::Relaxed) >= 8);
    // After an exception the next fetch succeeds.
    for n in 0..10 {
        let failing = Source::of("x").then_fails(|| std::io::ErrorKind::BrokenPipe.into());
        assert!(cache.cache_image("b", failing, Expected::nothing()).is_err(), "{n}");
    }
    fill(&cache, "b", b"image");
    Ok(())
}

fn fault_10_a_range_of_a_cached_image_needs_no_source(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(7, 100_000));
    fill(&cache, "a", &image);
    let part = cache.open_range("a", 50_000..60_000)?.ok_or("it is cached")?;
    assert!(read_all(part)? == image[50_000..60_000]);
    assert_eq!(cache.hit_count("a")?, 1);
    Ok(())
}
