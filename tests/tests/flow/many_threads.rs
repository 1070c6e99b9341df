//! Many threads over several caches on one directory: no hit is lost, no file is torn.

use image_cache::{Expected, ImageCache, Outcome};
use image_cache_tests::{
    TempCache, Tested, bytes, fill, listed, md5_hex, read_all, read_until_error, with_both_drivers,
};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

with_both_drivers![
    every_hit_that_was_made_is_counted,
    no_reader_ever_sees_a_torn_image,
    opening_another_cache_meanwhile_forgets_no_image,
    pruning_in_many_threads_evicts_each_image_once,
];

const THREADS: usize = 8;
const IDS: [&str; 4] = ["a", "b", "c", "d"];

/// Runs the same function in each thread, on two caches with one directory.
fn in_threads(
    temp: &TempCache,
    max_size: u64,
    work: impl Fn(usize, &ImageCache) + Sync,
) -> [ImageCache; 2] {
    let caches = [
        temp.open_with(|config| config.max_size(max_size)),
        temp.open_with(|config| config.max_size(max_size)),
    ];
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (cache, work) = (&caches[thread % 2], &work);
            scope.spawn(move || work(thread, cache));
        }
    });
    caches
}

fn every_hit_that_was_made_is_counted(temp: &TempCache) -> Tested {
    let temp = &TempCache::in_memory(temp.driver());
    let images = IDS.map(|id| bytes(id.len() as u64, 3000));
    let cache = temp.open();
    (0..4).for_each(|n| drop(fill(&cache, IDS[n], &images[n])));
    drop(cache);
    let made: [AtomicU64; 4] = Default::default();
    let caches = in_threads(temp, 1 << 30, |thread, cache| {
        for round in 0..100 {
            let n = (thread + round) % 4;
            let reader =
                cache.open_for_read(IDS[n]).expect("opening works").expect("it is not deleted");
            if round % 5 == 0 {
                // A reader that is dropped early makes no hit.
                continue;
            }
            assert!(read_all(reader).expect("reading works") == images[n]);
            made[n].fetch_add(1, Ordering::Relaxed);
            cache.queue_image(&format!("{thread}-{round}")).expect("queueing works");
            assert_eq!(cache.prune().expect("pruning works").images, 0);
        }
    });
    let made = made.map(|count| count.load(Ordering::Relaxed));
    assert_eq!(made.iter().sum::<u64>(), 640);
    assert_eq!(IDS.map(|id| caches[0].hit_count(id).unwrap_or(0)), made);
    drop(caches);
    let records = temp.records_in_sync();
    assert_eq!(IDS.map(|id| records[id].hits), made);
    Ok(())
}

/// An image whose first eight bytes determine all others.
fn marked(seed: u64) -> Vec<u8> {
    let mut image = seed.to_le_bytes().to_vec();
    image.extend(bytes(seed, 2000 + (seed % 7) as usize * 40_000));
    image
}

fn assert_whole(image: &[u8]) {
    let seed = u64::from_le_bytes(image[..8].try_into().expect("eight bytes"));
    assert!(image == marked(seed), "torn: {} bytes of seed {seed}", image.len());
}

fn mix(thread: usize, cache: &ImageCache, cached: &AtomicU64) {
    for round in 0..60 {
        let (seed, id) = ((thread * 1000 + round) as u64, IDS[(thread + round) % 4]);
        let image = marked(seed);
        let expected = Expected::nothing().with_md5(&md5_hex(&image)).expect("it has 32 digits");
        match (thread + round) % 6 {
            0 | 1 => {
                let mut reader =
                    cache.caching_reader(id, &image[..], expected).expect("the id is sound");
                let (came, end) = read_until_error(&mut reader, 5000);
                end.expect("the source is sound");
                assert!(came == image);
                let outcome = reader.outcome();
                assert!(!matches!(outcome, Some(Outcome::CacheFailed(_)) | None), "{outcome:?}");
                cached.fetch_add(
                    u64::from(matches!(outcome, Some(Outcome::Cached(_)))),
                    Ordering::Relaxed,
                );
            }
            2 => drop(cache.caching_reader(id, &image[..], expected).expect("the id is sound")),
            3 => drop(cache.delete_cached_image(id).expect("deleting works")),
            4 => drop(cache.prune().expect("pruning works")),
            _ => drop(cache.clean(Some(Duration::ZERO)).expect("cleaning works")),
        }
        if let Some(reader) = cache.open_for_read(id).expect("opening works") {
            assert_whole(&read_all(reader).expect("reading works"));
        }
    }
}

fn no_reader_ever_sees_a_torn_image(temp: &TempCache) -> Tested {
    let temp = &TempCache::in_memory(temp.driver());
    let cached = AtomicU64::new(0);
    let caches = in_threads(temp, 300_000, |thread, cache| mix(thread, cache, &cached));
    assert!(cached.load(Ordering::Relaxed) > 0);
    assert_eq!(
        caches.each_ref().map(|cache| cache.status().map_or(1, |status| status.cache_failures)),
        [0, 0]
    );
    let names: Vec<String> = temp.images().into_keys().collect();
    assert_eq!((listed(&caches[0]), listed(&caches[1])), (names.clone(), names.clone()));
    for id in names {
        let image = std::fs::read(temp.path(&id))?;
        assert_whole(&image);
        assert_eq!(temp.records_in_sync()[&id].checksum, Some(md5_hex(&image)), "{id}");
    }
    assert!(temp.names("incomplete").is_empty());
    Ok(())
}

/// Opening reconciles: it must neither forget nor adopt an image that is just being published or deleted.
fn opening_another_cache_meanwhile_forgets_no_image(temp: &TempCache) -> Tested {
    let temp = &TempCache::in_memory(temp.driver());
    let cache = temp.open();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| -> Tested {
        let opening = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                drop(temp.open());
            }
        });
        for n in 0..400 {
            let (id, image) = (format!("{n:03}"), bytes(n, 10));
            let record = fill(&cache, &id, &image);
            assert_eq!(
                cache.cached_image(&id)?.and_then(|image| image.checksum),
                record.checksum,
                "{id}"
            );
            if n % 4 == 0 {
                assert!(cache.delete_cached_image(&id)?);
            }
        }
        done.store(true, Ordering::Relaxed);
        opening.join().map_err(|_| "opening panicked")?;
        Ok(())
    })?;
    let records = temp.records_in_sync();
    assert_eq!(records.len(), 300);
    assert!(
        records.values().all(|row| row.checksum.is_some()),
        "none was replaced by an adopted one"
    );
    Ok(())
}

fn pruning_in_many_threads_evicts_each_image_once(temp: &TempCache) -> Tested {
    let temp = &TempCache::in_memory(temp.driver());
    let cache = temp.open();
    (0..200).for_each(|n| drop(fill(&cache, &format!("{n:03}"), b"ten bytes.")));
    drop(cache);
    let (images, freed) = (AtomicU64::new(0), AtomicU64::new(0));
    let caches = in_threads(temp, 1000, |_, cache| {
        let pruned = cache.prune().expect("pruning works");
        images.fetch_add(pruned.images, Ordering::Relaxed);
        freed.fetch_add(pruned.bytes, Ordering::Relaxed);
    });
    let left = caches[0].cache_size()?;
    assert_eq!((images.into_inner() + left.images, freed.into_inner() + left.bytes), (200, 2000));
    assert!(left.bytes <= 1000, "{left:?}");
    let youngest: Vec<String> = (200 - left.images..200).map(|n| format!("{n:03}")).collect();
    assert_eq!(listed(&caches[1]), youngest);
    temp.records_in_sync();
    Ok(())
}
