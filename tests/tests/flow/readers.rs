//! Readers are protected against eviction and deletion: each gets the whole image, for any number of readers.

use image_cache::{CachedReader, ImageCache};
use image_cache_tests::{
    TempCache, Tested, bytes, fill, read_all, say_and_wait, wait_for, with_both_drivers,
};
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

with_both_drivers![
    a_hundred_readers_outlive_eviction_and_deletion,
    readers_start_and_end_while_images_are_evicted,
    readers_start_and_end_while_images_are_deleted_and_fetched_again,
    an_image_that_another_process_reads_is_kept_and_named,
    a_child_process_that_is_being_started_keeps_no_image_from_eviction,
];

const READERS: usize = 100;
const IDS: [&str; 4] = ["a", "b", "c", "d"];
const SIZE: usize = 300_000;

fn image(id: &str) -> Vec<u8> {
    bytes(id.len() as u64 + u64::from(id.as_bytes()[0]), SIZE)
}

/// Reads the rest in small chunks, so that other readers run in between.
fn slowly(reader: &mut CachedReader) -> Vec<u8> {
    let (mut all, mut piece) = (Vec::with_capacity(SIZE), [0; 10_000]);
    loop {
        match reader.read(&mut piece).expect("the image is read to its end") {
            0 => return all,
            count => all.extend_from_slice(&piece[..count]),
        }
        std::thread::yield_now();
    }
}

/// From the fork until it executes its program, a child process has every open file of this process, and so the locks on them.
fn a_child_process_that_is_being_started_keeps_no_image_from_eviction(temp: &TempCache) -> Tested {
    let cache = temp.open_with(|config| config.max_size(0));
    IDS.iter().for_each(|id| drop(fill(&cache, id, &image(id))));
    let reader = cache.open_for_read("a")?.ok_or("it was cached")?;
    let (mut forked, child_says) = io::pipe()?;
    let (child_hears, mut start) = io::pipe()?;
    let mut child = Command::new("true");
    let starts_slowly = move || {
        (&child_says).write_all(b"f")?;
        (&child_hears).read_exact(&mut [0])
    };
    // SAFETY: the closure only writes to a pipe and reads from one, which are calls that a forked child may make.
    unsafe { child.pre_exec(starts_slowly) };
    let running = std::thread::spawn(move || child.status());
    forked.read_exact(&mut [0])?;
    drop(reader);
    let pruned = cache.prune()?;
    assert_eq!((pruned.images, pruned.kept.len()), (IDS.len() as u64, 0), "{pruned:?}");
    start.write_all(b"s")?;
    running.join().map_err(|_| "the thread panicked")??;
    Ok(())
}

fn a_hundred_readers_outlive_eviction_and_deletion(temp: &TempCache) -> Tested {
    let temp = &TempCache::in_memory(temp.driver());
    let cache = temp.open_with(|config| config.max_size(0));
    let other = temp.open();
    IDS.iter().for_each(|id| drop(fill(&cache, id, &image(id))));
    fill(&cache, "idle", b"image");
    // Barriers: when all readers are in the middle of their images, when the images were pruned, and when they were deleted.
    let [amid, evicted, deleted] = [(); 3].map(|()| Barrier::new(READERS + 1));
    std::thread::scope(|scope| -> Tested {
        for n in 0..READERS {
            let (cache, id) = (if n % 2 == 0 { &cache } else { &other }, IDS[n % IDS.len()]);
            let (amid, evicted, deleted) = (&amid, &evicted, &deleted);
            scope.spawn(move || {
                let mut reader =
                    cache.open_for_read(id).expect("opening works").expect("it was cached");
                let mut came = vec![0; 1000 * (n % 100) + 1];
                reader.read_exact(&mut came).expect("the image has more");
                for barrier in [amid, evicted, deleted] {
                    barrier.wait();
                }
                came.extend(slowly(&mut reader));
                assert!(came == image(id), "reader {n} of {id}");
            });
        }
        amid.wait();
        let pruned = cache.prune();
        evicted.wait();
        let removed = other.delete_all_cached_images();
        deleted.wait();
        let pruned = pruned?;
        assert_eq!((pruned.images, pruned.bytes), (1, 5), "the image without a reader");
        let kept: Vec<&str> = pruned.kept.iter().map(|kept| kept.image_id.as_str()).collect();
        assert_eq!(kept, IDS);
        assert!(
            pruned.kept.iter().all(|kept| kept.reason.to_string() == "it is being read"),
            "{pruned:?}"
        );
        assert_eq!(removed?, 4);
        Ok(())
    })?;
    assert!(temp.images().is_empty() && temp.records_in_sync().is_empty());
    Ok(())
}

/// Lets readers start and end in many threads until each has read often enough; returns the number of images read.
fn come_and_go(
    caches: [&ImageCache; 2],
    meanwhile: impl Fn() + Sync,
    read: impl Fn(&ImageCache, &str) -> bool + Sync,
) -> u64 {
    let (done, served) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                meanwhile();
            }
        });
        let readers: Vec<_> = (0..READERS)
            .map(|n| {
                let (read, served) = (&read, &served);
                scope.spawn(move || {
                    for round in 0..6 {
                        let read = read(caches[n % 2], IDS[(n + round) % IDS.len()]);
                        served.fetch_add(u64::from(read), Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let ends: Vec<_> = readers.into_iter().map(|reader| reader.join()).collect();
        done.store(true, Ordering::Relaxed);
        assert!(ends.iter().all(Result::is_ok), "a reader failed");
    });
    served.into_inner()
}

/// The file that has the image's name now.
fn inode(temp: &TempCache, id: &str) -> Option<u64> {
    fs::metadata(temp.path(id)).ok().map(|file| file.ino())
}

fn readers_start_and_end_while_images_are_evicted(temp: &TempCache) -> Tested {
    let temp = &TempCache::in_memory(temp.driver());
    let (cache, other) = (temp.open_with(|config| config.max_size(0)), temp.open());
    IDS.iter().for_each(|id| drop(fill(&cache, id, &image(id))));
    // This image is being read from now on, so it stays.
    let steady = cache.open_for_read("a")?.ok_or("it was cached")?;
    let served = come_and_go(
        [&cache, &other],
        || drop(cache.prune().expect("pruning works")),
        |cache, id| {
            let Some(mut reader) = cache.open_for_read(id).expect("opening works") else {
                return false;
            };
            // No image is fetched again here: a file with the name is the one being read, or it was removed before this reader
            // opened it.
            let held = inode(temp, id);
            assert!(slowly(&mut reader) == image(id), "{id} is not whole");
            assert_eq!(inode(temp, id), held, "{id} was evicted while it was read");
            true
        },
    );
    assert!(served >= READERS as u64, "only {served} were served");
    assert!(read_all(steady)? == image("a"));
    cache.prune()?;
    assert!(temp.images().is_empty() && temp.records_in_sync().is_empty());
    Ok(())
}

fn readers_start_and_end_while_images_are_deleted_and_fetched_again(temp: &TempCache) -> Tested {
    let temp = &TempCache::in_memory(temp.driver());
    let (cache, other) = (temp.open_with(|config| config.max_size(0)), temp.open());
    let served = come_and_go(
        [&cache, &other],
        || {
            for id in IDS {
                fill(&cache, id, &image(id));
                std::thread::sleep(Duration::from_millis(2));
            }
            IDS[..2].iter().for_each(|id| {
                assert!(other.delete_cached_image(id).expect("deleting works"));
            });
            // Images that are being read are deleted instead, so that they can be fetched again.
            for kept in cache.prune().expect("pruning works").kept {
                other.delete_cached_image(kept.image_id.as_str()).expect("deleting works");
            }
        },
        |cache, id| {
            // At some time it is fetched again.
            (0..10_000).any(|_| {
                let Some(mut reader) = cache.open_for_read(id).expect("opening works") else {
                    std::thread::sleep(Duration::from_millis(1));
                    return false;
                };
                assert!(slowly(&mut reader) == image(id), "{id} is not whole");
                true
            })
        },
    );
    assert_eq!(served, 6 * READERS as u64);
    cache.delete_all_cached_images()?;
    assert!(temp.images().is_empty() && temp.records_in_sync().is_empty());
    Ok(())
}

/// Runs as another process, under the test below.
#[test]
fn reading_elsewhere() -> Tested {
    let Some(temp) = TempCache::of_parent() else { return Ok(()) };
    let cache = temp.open();
    let mut reader = cache.open_for_read("a")?.ok_or("it was cached")?;
    reader.read_exact(&mut [0; 1000])?;
    say_and_wait("reading")?;
    assert!(read_all(reader)? == image("a")[1000..]);
    cache.queue_image("whole")?;
    // No process reads the output of the test harness any more.
    std::process::exit(0)
}

fn an_image_that_another_process_reads_is_kept_and_named(temp: &TempCache) -> Tested {
    let cache = temp.open_with(|config| config.max_size(0));
    fill(&cache, "a", &image("a"));
    let mut child = temp.in_child("readers::reading_elsewhere")?.spawn()?;
    wait_for(&mut child, "reading")?;
    let pruned = cache.prune()?;
    assert_eq!((pruned.images, pruned.kept.len()), (0, 1));
    assert_eq!(pruned.kept[0].image_id.as_str(), "a");
    assert!(cache.delete_cached_image("a")?);
    drop(child.stdin.take());
    child.wait()?;
    assert!(cache.is_queued("whole")?, "it reads on to its end");
    assert!(temp.records_in_sync().is_empty());
    Ok(())
}
