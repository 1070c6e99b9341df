//! The queue, in particular its order.

use image_cache::Expected;
use image_cache_tests::{
    Source, TempCache, Tested, fill, queued, read_all, set_times, with_both_drivers,
};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

with_both_drivers![
    the_queue_keeps_its_order_however_fast_it_grows,
    an_entry_with_a_future_time_keeps_its_place_in_the_queue,
    an_old_entry_of_another_program_is_first_in_the_queue,
    two_caches_queue_into_one_order,
    threads_queue_into_one_order,
    an_image_that_is_cached_being_cached_or_queued_is_not_queued,
    an_image_that_was_cached_leaves_the_queue,
    a_cached_image_that_a_dead_writer_left_in_the_queue_leaves_it_at_the_next_opening,
    an_image_whose_fetch_failed_stays_in_the_queue,
    a_dequeued_image_is_last_when_it_is_queued_again,
];

/// Seconds and nanoseconds of the entries' modification times, in the order in which they are listed.
fn times(temp: &TempCache, ids: &[String]) -> Vec<(i64, i64)> {
    let time = |id: &String| {
        let metadata =
            std::fs::metadata(temp.path("queue").join(id)).expect("a queued image has its entry");
        (metadata.mtime(), metadata.mtime_nsec())
    };
    ids.iter().map(time).collect()
}

fn the_queue_keeps_its_order_however_fast_it_grows(temp: &TempCache) -> Tested {
    let cache = temp.open();
    // Neither ascending nor descending.
    let ids: Vec<String> = (0..300).map(|n| format!("{:03}", n * 7 % 300)).collect();
    for id in &ids {
        assert!(cache.queue_image(id)?);
    }
    assert_eq!(queued(&cache), ids);
    let times = times(temp, &ids);
    assert!(
        times.is_sorted_by(|a, b| a < b),
        "strictly increasing, for other readers of the queue"
    );
    assert!(
        times.is_sorted_by(|a, b| (a.0, a.1 / 1000) < (b.0, b.1 / 1000)),
        "and by microseconds"
    );
    drop(cache);
    assert_eq!(queued(&temp.open()), ids);
    Ok(())
}

fn an_entry_with_a_future_time_keeps_its_place_in_the_queue(temp: &TempCache) -> Tested {
    let future = SystemTime::now() + Duration::from_secs(3600);
    set_times(&temp.put("queue/theirs", b""), future, future)?;
    let cache = temp.open();
    cache.queue_image("ours")?;
    cache.queue_image("another")?;
    assert_eq!(queued(&cache), ["theirs", "ours", "another"]);
    drop(cache);
    let cache = temp.open();
    cache.delete_queued_image("theirs")?;
    cache.queue_image("last")?;
    assert_eq!(queued(&cache), ["ours", "another", "last"]);
    Ok(())
}

fn an_old_entry_of_another_program_is_first_in_the_queue(temp: &TempCache) -> Tested {
    let cache = temp.open();
    cache.queue_image("ours")?;
    let past = SystemTime::now() - Duration::from_secs(3600);
    set_times(&temp.put("queue/theirs", b""), past, past)?;
    assert_eq!(queued(&cache), ["theirs", "ours"]);
    Ok(())
}

fn two_caches_queue_into_one_order(temp: &TempCache) -> Tested {
    let caches = [temp.open(), temp.open()];
    let ids: Vec<String> = (0..40).map(|n| format!("{:02}", n * 7 % 40)).collect();
    for (n, id) in ids.iter().enumerate() {
        assert!(caches[n % 2].queue_image(id)?);
        assert!(!caches[(n + 1) % 2].queue_image(id)?);
    }
    assert_eq!((queued(&caches[0]), queued(&caches[1])), (ids.clone(), ids));
    Ok(())
}

fn threads_queue_into_one_order(temp: &TempCache) -> Tested {
    let caches = [temp.open(), temp.open()];
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let cache = &caches[thread % 2];
            scope.spawn(move || {
                for n in 0..50 {
                    // All threads also queue the shared images.
                    cache.queue_image(&format!("shared-{n}")).expect("queueing works");
                    assert!(
                        cache.queue_image(&format!("{thread}-{n:02}")).expect("queueing works")
                    );
                }
            });
        }
    });
    let ids = queued(&caches[0]);
    assert_eq!(ids.len(), 250);
    assert!(times(temp, &ids).is_sorted_by(|a, b| a < b));
    for thread in 0..4 {
        let own = ids.iter().filter(|id| id.starts_with(&format!("{thread}-")));
        assert!(own.is_sorted(), "thread {thread} queued its images in their order");
    }
    Ok(())
}

fn an_image_that_is_cached_being_cached_or_queued_is_not_queued(temp: &TempCache) -> Tested {
    let cache = temp.open();
    fill(&cache, "cached", b"image");
    let writer = cache.caching_reader("coming", &b"image"[..], Expected::nothing())?;
    assert!(cache.queue_image("queued")?);
    for id in ["cached", "coming", "queued"] {
        assert!(!cache.queue_image(id)?, "{id}");
    }
    assert_eq!(queued(&cache), ["queued"]);
    drop(writer);
    assert!(cache.queue_image("coming")?, "its writer is gone");
    temp.put("incomplete/dead", b"imag");
    assert!(cache.queue_image("dead")?, "so is this one's");
    Ok(())
}

fn an_image_that_was_cached_leaves_the_queue(temp: &TempCache) -> Tested {
    let cache = temp.open();
    for id in ["by reading", "by caching"] {
        cache.queue_image(id)?;
    }
    let mut reader = cache.caching_reader("by reading", &b"image"[..], Expected::nothing())?;
    reader.read_exact(&mut [0; 2])?;
    assert!(cache.is_queued("by reading")?, "not before it is cached");
    reader.read_to_end(&mut Vec::new())?;
    fill(&cache, "by caching", b"image");
    assert_eq!(queued(&cache), [""; 0]);
    assert!(temp.names("queue").is_empty());
    Ok(())
}

fn a_cached_image_that_a_dead_writer_left_in_the_queue_leaves_it_at_the_next_opening(
    temp: &TempCache,
) -> Tested {
    let cache = temp.open();
    fill(&cache, "cached", b"image");
    for id in ["first", "last"] {
        cache.queue_image(id)?;
    }
    drop(cache);
    temp.put("queue/cached", b"");
    // An image that is being fetched is not cached, and neither is one whose fetch failed.
    temp.put("incomplete/first", b"ima");
    temp.put("invalid/last", b"ima");
    assert_eq!(queued(&temp.open()), ["first", "last"]);
    assert!(temp.open().is_cached("cached")?);
    Ok(())
}

fn an_image_whose_fetch_failed_stays_in_the_queue(temp: &TempCache) -> Tested {
    let cache = temp.open();
    let ids = ["fails", "dropped", "mismatch"];
    for id in ids {
        cache.queue_image(id)?;
    }
    let failing = Source::of("ima").then_fails(|| std::io::ErrorKind::ConnectionReset.into());
    assert!(cache.cache_image("fails", failing, Expected::nothing()).is_err());
    drop(cache.caching_reader("dropped", &b"image"[..], Expected::nothing())?);
    let reader =
        cache.caching_reader("mismatch", &b"image"[..], Expected::nothing().with_size(4))?;
    assert!(read_all(reader).is_err());
    assert_eq!(queued(&cache), ids);
    Ok(())
}

fn a_dequeued_image_is_last_when_it_is_queued_again(temp: &TempCache) -> Tested {
    let cache = temp.open();
    for id in ["a", "b", "c"] {
        cache.queue_image(id)?;
    }
    assert!(cache.delete_queued_image("a")? && !cache.is_queued("a")?);
    assert!(cache.queue_image("a")?);
    assert_eq!(queued(&cache), ["b", "c", "a"]);
    assert_eq!((cache.delete_all_queued_images()?, queued(&cache).len()), (3, 0));
    Ok(())
}
