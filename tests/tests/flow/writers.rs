//! Several writers of one image, and the files of dead writers.

use image_cache::{CachingReader, Expected, ImageCache, Outcome};
use image_cache_tests::{
    TempCache, Tested, bytes, fill, md5_hex, read_all, read_until_error, say_and_wait, serve,
    wait_for, with_both_drivers,
};
use std::io::Read;
use std::sync::Barrier;

with_both_drivers![
    a_second_writer_reads_past_the_cache,
    of_racing_writers_one_wins_and_its_bytes_are_the_image,
    the_file_of_a_dead_writer_is_replaced_at_once,
    a_killed_writer_does_not_block_its_image,
    asking_about_an_image_does_not_keep_its_writer_out,
    writers_of_different_images_do_not_wait_for_each_other,
];

fn start<'a>(
    cache: &ImageCache,
    image: &'a [u8],
) -> Result<CachingReader<&'a [u8]>, image_cache::Error> {
    cache.caching_reader("a", image, Expected::nothing())
}

fn a_second_writer_reads_past_the_cache(temp: &TempCache) -> Tested {
    let (cache, other_cache) = (temp.open(), temp.open());
    let (image, other) = (bytes(1, 600_000), bytes(2, 700_000));
    let mut first = start(&cache, &image)?;
    first.read_exact(&mut [0; 300_000])?;
    for cache in [&cache, &other_cache] {
        assert!(cache.is_being_cached("a")? && !cache.is_cacheable("a", None)?);
        let mut second = start(cache, &other)?;
        assert!(read_until_error(&mut second, 4096).0 == other);
        assert_eq!(second.outcome(), Some(&Outcome::BeingCached));
    }
    first.read_to_end(&mut Vec::new())?;
    assert!(matches!(first.outcome(), Some(Outcome::Cached(_))));
    assert!(serve(&other_cache, "a")? == image);
    assert_eq!(
        (temp.records_in_sync()["a"].checksum.clone(), temp.names("invalid").len()),
        (Some(md5_hex(&image)), 0)
    );
    Ok(())
}

fn of_racing_writers_one_wins_and_its_bytes_are_the_image(temp: &TempCache) -> Tested {
    let temp = &TempCache::in_memory(temp.driver());
    let caches = [temp.open(), temp.open()];
    let images: Vec<Vec<u8>> = (0..8).map(|seed| bytes(seed, 300_000 + seed as usize)).collect();
    for round in 0..10 {
        let barrier = Barrier::new(images.len());
        let race = |writer: usize| {
            barrier.wait();
            let mut reader = start(&caches[writer % 2], &images[writer]).expect("the id is sound");
            let (came, end) = read_until_error(&mut reader, 4096);
            end.expect("the source does not fail");
            assert!(came == images[writer], "every reader gets the bytes of its own source");
            reader.outcome().cloned()
        };
        let outcomes: Vec<Option<Outcome>> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..images.len()).map(|writer| scope.spawn(move || race(writer))).collect();
            threads.into_iter().map(|thread| thread.join().expect("no writer panics")).collect()
        });
        let winners: Vec<usize> = (0..images.len())
            .filter(|n| matches!(outcomes[*n], Some(Outcome::Cached(_))))
            .collect();
        let [winner] = winners[..] else { panic!("round {round}: {outcomes:?}") };
        let lost = |outcome: &Option<Outcome>| {
            matches!(outcome, Some(Outcome::BeingCached | Outcome::AlreadyCached))
        };
        assert_eq!(
            outcomes.iter().filter(|outcome| lost(outcome)).count(),
            7,
            "round {round}: {outcomes:?}"
        );
        assert!(serve(&caches[0], "a")? == images[winner], "round {round}");
        assert_eq!(temp.records_in_sync()["a"].checksum, Some(md5_hex(&images[winner])));
        assert!(caches[round % 2].delete_cached_image("a")?);
        assert!(temp.names("incomplete").is_empty() && temp.names("invalid").is_empty());
    }
    Ok(())
}

fn the_file_of_a_dead_writer_is_replaced_at_once(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(3, 1000));
    temp.put("incomplete/a", &bytes(4, 5000));
    assert!(!cache.is_being_cached("a")? && cache.is_cacheable("a", None)?);
    fill(&cache, "a", &image);
    assert!(serve(&cache, "a")? == image, "no bytes of the longer leftover follow it");
    assert!(temp.names("incomplete").is_empty());
    temp.records_in_sync();
    Ok(())
}

/// Runs as another process, which the test kills.
#[test]
fn a_writer_that_waits_to_be_killed() -> Tested {
    let Some(temp) = TempCache::of_parent() else { return Ok(()) };
    let (cache, image) = (temp.open(), bytes(5, 900_000));
    let mut reader = start(&cache, &image)?;
    reader.read_exact(&mut vec![0; 600_000])?;
    say_and_wait("writing")?;
    read_all(reader)?;
    Ok(())
}

fn a_killed_writer_does_not_block_its_image(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(6, 1000));
    let mut child = temp.in_child("writers::a_writer_that_waits_to_be_killed")?.spawn()?;
    wait_for(&mut child, "writing")?;
    assert!(cache.is_being_cached("a")? && !cache.is_cacheable("a", None)?);
    assert_eq!(cache.cache_image("a", &image[..], Expected::nothing())?, Outcome::BeingCached);
    child.kill()?;
    child.wait()?;
    assert!(temp.names("incomplete").contains("a"), "it had no time to clean up");
    assert!(!cache.is_being_cached("a")? && cache.is_cacheable("a", None)?);
    fill(&cache, "a", &image);
    assert!(serve(&cache, "a")? == image);
    temp.records_in_sync();
    Ok(())
}

fn asking_about_an_image_does_not_keep_its_writer_out(temp: &TempCache) -> Tested {
    let temp = &TempCache::in_memory(temp.driver());
    let (cache, done) = (temp.open(), std::sync::atomic::AtomicBool::new(false));
    std::thread::scope(|scope| -> Tested {
        let asker = scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                cache.is_being_cached("a").expect("asking works");
                cache.clean(Some(std::time::Duration::ZERO)).expect("cleaning works");
            }
        });
        let fills = (0..200).map(|n| {
            let outcome = cache.cache_image("a", &bytes(n, 100)[..], Expected::nothing());
            (outcome, cache.delete_cached_image("a"))
        });
        let fills: Vec<_> = fills.collect();
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        asker.join().map_err(|_| "the asker panicked")?;
        for (n, (outcome, deleted)) in fills.into_iter().enumerate() {
            assert!(matches!(outcome, Ok(Outcome::Cached(_))), "fill {n}: {outcome:?}");
            assert!(deleted?, "fill {n}");
        }
        Ok(())
    })?;
    assert_eq!(cache.status()?.cache_failures, 0);
    Ok(())
}

fn writers_of_different_images_do_not_wait_for_each_other(temp: &TempCache) -> Tested {
    let (cache, image) = (temp.open(), bytes(7, 300_000));
    let mut readers = Vec::new();
    for n in 0..20 {
        let mut reader = cache.caching_reader(&n.to_string(), &image[..], Expected::nothing())?;
        reader.read_exact(&mut [0; 100])?;
        readers.push(reader);
    }
    fill(&cache, "another", b"image");
    for mut reader in readers {
        reader.read_to_end(&mut Vec::new())?;
        assert!(matches!(reader.outcome(), Some(Outcome::Cached(_))));
    }
    assert_eq!(temp.records_in_sync().len(), 21);
    Ok(())
}
