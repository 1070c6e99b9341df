//! One directory for both programs: image-cache opens a directory that the real Glance filled, Glance opens a directory that
//! image-cache filled, and nothing is lost.

mod environment;
mod fixture;
mod managing;
mod plan;
mod serving;

use environment::Glance;
use image_cache::{Expected, ImageCache};
use image_cache_tests::{
    TempCache, Tested, fill, listed, queued, read_all, say_and_wait, serve, set_times, wait_for,
    with_both_drivers,
};
use plan::{CACHED, INVALID, QUEUED, STALLED, Said, image};
use std::fs;
use std::io::Read;
use std::time::{Duration, SystemTime};

with_both_drivers![
    image_cache_opens_a_directory_that_glance_filled_with_hits_ages_sizes_and_queue,
    glance_opens_a_directory_that_image_cache_filled_with_hits_ages_sizes_and_queue,
    a_directory_of_glance_s_as_it_lay_on_disk_opens_with_hits_ages_sizes_and_queue,
];

/// The access and modification times of a file, in whole microseconds.
fn times(temp: &TempCache, id: &str) -> [SystemTime; 2] {
    let file = fs::metadata(temp.path(id)).expect("the image is there");
    [file.accessed(), file.modified()].map(|time| plan::to_micros(time.expect("Linux has both")))
}

/// Whether two times differ at most by the rounding of a double with 52 bits.
fn near(a: SystemTime, b: SystemTime) -> bool {
    let apart = a.duration_since(b).or_else(|_| b.duration_since(a));
    apart.is_ok_and(|apart| apart <= Duration::from_micros(1))
}

/// Opens a directory that Glance filled, and compares our view with Glance's report.
fn assert_opens_as_it_is(temp: &TempCache, said: &Said) -> Tested {
    let files: Vec<_> = CACHED.iter().map(|(id, ..)| times(temp, id)).collect();
    let cache = temp.open();
    let status = cache.status()?;
    assert_eq!((status.cached.images, status.cached.bytes), (CACHED.len() as u64, said.size));
    assert_eq!((status.incomplete, status.invalid), (1, 1));
    assert_eq!(
        (queued(&cache), &said.queued[..]),
        (said.queued.clone(), &QUEUED.map(str::to_owned)[..])
    );
    assert_eq!(listed(&cache), said.ids());
    for ((id, lines, hits), file) in CACHED.into_iter().zip(&files) {
        let record = cache.cached_image(id)?.ok_or("it is cached")?;
        let glance = said.image(id);
        assert_eq!((record.size, record.hits, record.checksum), (glance.size, hits, None), "{id}");
        assert_eq!((glance.size, glance.hits), (image(id, lines).len() as u64, hits), "{id}");
        assert_eq!(record.last_modified, file[1], "{id}");
        match temp.driver() {
            "sqlite" => {
                assert!(near(record.last_accessed, glance.last_accessed), "{id}: {glance:?}")
            }
            // Glance shows the file's time in whole seconds.
            _ => {
                assert_eq!(record.last_accessed, file[0], "{id}");
                let since = record.last_accessed.duration_since(glance.last_accessed)?;
                assert!(since < Duration::from_secs(1), "{id}: {since:?}");
            }
        }
        assert_eq!(times(temp, id), *file, "looking changes nothing");
    }
    let (broken, stalled) = (INVALID[0], STALLED[0]);
    assert!(!cache.is_cached(broken)? && !cache.is_cached(stalled)?);
    assert!(!cache.is_being_cached(stalled)? && cache.is_cacheable(stalled, None)?, "at once");
    Ok(())
}

/// Reads the least recently used image, so that the next one is evicted first; the leftovers are removed too.
fn assert_continues(temp: &TempCache, said: &Said) -> Tested<[String; 2]> {
    let cache = temp.open_with(|config| config.max_size(said.size - 1));
    let [least, next, ..] = said.by_age()[..] else { return Err("it cached more".into()) };
    for (id, lines, _) in CACHED.iter().filter(|(id, ..)| id == least) {
        assert!(serve(&cache, id)? == image(id, *lines));
    }
    assert_eq!(cache.hit_count(least)?, said.image(least).hits + 1);
    Ok([least.clone(), next.clone()])
}

fn assert_evicts_and_cleans(temp: &TempCache, said: &Said, next: &str) -> Tested {
    let cache = temp.open_with(|config| config.max_size(said.size - 1));
    assert_eq!(cache.prune()?.images, 1);
    assert!(!listed(&cache).contains(&next.to_owned()), "{next} was the least recently used");
    let cleaned = cache.clean(None)?;
    assert_eq!((cleaned.incomplete, cleaned.invalid), (1, 1));
    for (id, lines, _) in CACHED.into_iter().filter(|(id, ..)| *id != next) {
        assert!(serve(&cache, id)? == image(id, lines), "{id}");
    }
    for id in QUEUED {
        fill(&cache, id, id.as_bytes());
    }
    assert!(queued(&cache).is_empty());
    drop(cache);
    temp.records_in_sync();
    Ok(())
}

fn image_cache_opens_a_directory_that_glance_filled_with_hits_ages_sizes_and_queue(
    temp: &TempCache,
) -> Tested {
    let Some(glance) = Glance::find_or_install() else { return Ok(()) };
    let said = glance.fill(temp)?;
    assert_opens_as_it_is(temp, &said)?;
    let [least, next] = assert_continues(temp, &said)?;
    // Glance's report after our work: our hit, and no other change.
    let now = glance.say(temp)?;
    assert_eq!((now.ids(), now.size, &now.queued), (said.ids(), said.size, &said.queued));
    for id in now.ids() {
        let ([before, after], ours) = ([&said, &now].map(|said| said.image(&id)), id == least);
        assert_eq!((after.size, after.hits), (before.size, before.hits + u64::from(ours)), "{id}");
        let same = near(after.last_accessed, before.last_accessed);
        assert!(same != ours, "{id} was {before:?}, is {after:?}");
    }
    assert_eq!((now.least.as_ref(), now.by_age()[0]), (Some(&next), &next));
    assert_evicts_and_cleans(temp, &said, &next)
}

fn a_directory_of_glance_s_as_it_lay_on_disk_opens_with_hits_ages_sizes_and_queue(
    temp: &TempCache,
) -> Tested {
    let said = fixture::build(temp)?;
    assert_opens_as_it_is(temp, &said)?;
    let [_, next] = assert_continues(temp, &said)?;
    assert_evicts_and_cleans(temp, &said, &next)
}

/// Runs as another process, which is killed during a fetch.
#[test]
fn stalling() -> Tested {
    let Some(temp) = TempCache::of_parent() else { return Ok(()) };
    let (cache, image) = (temp.open(), image(STALLED[0], 50_000));
    let mut reader = cache.caching_reader(STALLED[0], &image[..], Expected::nothing())?;
    reader.read_exact(&mut vec![0; image.len() - 1])?;
    say_and_wait("amid")
}

/// Like Glance in `work.py`.
fn fill_as_planned(temp: &TempCache, cache: &ImageCache) -> Tested {
    let broken = image(INVALID[0], 2);
    assert!(cache.cache_image(INVALID[0], &broken[..], Expected::nothing().with_size(1)).is_err());
    let mut child = temp.in_child("stalling")?.spawn()?;
    wait_for(&mut child, "amid")?;
    child.kill()?;
    child.wait()?;
    for id in QUEUED {
        assert!(cache.queue_image(id)?);
    }
    for (id, lines, _) in CACHED {
        fill(cache, id, &image(id, lines));
    }
    for (id, _, hits) in CACHED {
        for _ in 0..hits {
            read_all(cache.open_for_read(id)?.ok_or("it was cached")?)?;
        }
    }
    Ok(())
}

fn glance_opens_a_directory_that_image_cache_filled_with_hits_ages_sizes_and_queue(
    temp: &TempCache,
) -> Tested {
    let Some(glance) = Glance::find_or_install() else { return Ok(()) };
    let cache = temp.open();
    fill_as_planned(temp, &cache)?;
    let records = cache.cached_images()?;
    drop(cache);
    let now = SystemTime::now();
    let long_ago = now - Duration::from_secs(2 * 86_400);
    set_times(&temp.path("incomplete").join(STALLED[0]), long_ago, long_ago)?;
    if temp.driver() == "xattr" {
        // A minute between the images, because Glance orders by whole seconds.
        for (age, (id, ..)) in CACHED.iter().rev().enumerate() {
            let [_, modified] = [(); 2].map(|()| fs::metadata(temp.path(id)));
            let accessed = now - Duration::from_secs(60 * age as u64 + 1);
            set_times(&temp.path(id), accessed, modified?.modified()?)?;
        }
    }
    let said = glance.say(temp)?;
    assert_eq!(
        said.ids(),
        records.iter().map(|record| record.image_id.to_string()).collect::<Vec<_>>()
    );
    assert_eq!(said.queued, QUEUED);
    assert_eq!(said.size, records.iter().map(|record| record.size).sum::<u64>());
    for (id, lines, hits) in CACHED {
        assert_eq!(
            (said.image(id).hits, said.image(id).size),
            (hits, image(id, lines).len() as u64)
        );
    }
    if temp.driver() == "sqlite" {
        for record in &records {
            let seen = said.image(record.image_id.as_str()).last_accessed;
            assert!(near(seen, record.last_accessed), "{record:?}");
        }
    }
    assert_eq!(said.least.as_ref(), Some(said.by_age()[0]));

    // Glance continues: it reads, deletes, evicts, cleans.
    let [least, next, ..] = said.by_age()[..] else { return Err("we cached more".into()) };
    let size = (said.size - 1).to_string();
    let work = ["hit", least, "then", "delete", "d-empty", "then", "prune", &size, "then", "clean"];
    glance.work(temp, &work)?;
    let cache = temp.open();
    assert_eq!(cache.hit_count(least)?, said.image(least).hits + 1, "we see Glance's hit");
    let evicted: Vec<_> =
        said.ids().into_iter().filter(|id| !listed(&cache).contains(id)).collect();
    // If Glance leaves the access time to the mount (relatime), it may be unchanged.
    let first = if temp.driver() == "sqlite" { next } else { &evicted[0] };
    assert_eq!((evicted.len(), evicted.contains(first)), (2, true), "{evicted:?}");
    assert_eq!((cache.status()?.incomplete, cache.status()?.invalid), (0, 0));
    assert_eq!(queued(&cache), QUEUED);
    for record in cache.cached_images()? {
        let old =
            records.iter().find(|old| old.image_id == record.image_id).ok_or("it was there")?;
        assert_eq!((record.size, &record.checksum), (old.size, &old.checksum), "{record:?}");
    }
    drop(cache);
    temp.records_in_sync();

    // All regular files are removed, except the databases and their side files; then image-cache continues.
    glance.work(temp, &["empty"])?;
    let cache = temp.open();
    assert_eq!((listed(&cache).len(), cache.cache_size()?.images), (0, 0));
    fill(&cache, "anew", b"image");
    drop(cache);
    assert_eq!(glance.say(temp)?.ids(), ["anew"]);
    temp.records_in_sync();
    Ok(())
}
