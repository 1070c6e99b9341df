//! Transactions: what two instances change at the same time is complete afterwards. A driver that reads and then writes depends on
//! `execute-checked` or on one statement for it.

use super::failure::{Failure, Verdict, equal};
use super::fixture::Fixture;
use super::images::{at, image};
use image_cache_model::{CacheSize, Event, Requester};
use std::time::Duration;

/// Images of each instance.
const EACH: u64 = 40;

/// Runs the same work with two instances at the same time; the number tells them apart.
fn with_two_instances(
    fixture: &Fixture,
    work: impl Fn(&Fixture, usize) -> Verdict + Sync,
) -> Verdict {
    let another = fixture.another_instance()?;
    let (ours, theirs) = std::thread::scope(|scope| {
        let other = scope.spawn(|| work(&another, 1));
        (work(fixture, 0), other.join())
    });
    ours?;
    theirs.map_err(|_| Failure::new("an answer in each thread", "a thread panicked"))?
}

/// All calls of a fetch that fills the cache.
fn fetch(fixture: &Fixture, name: &str, size: u64) -> Verdict {
    let requester = Requester::default().with_tenant("a".parse().ok());
    fixture.admit(name, None, at(1), &requester)?;
    fixture.admit(name, Some(size), at(1), &requester)?;
    fixture.add(&image(name, size))?;
    let duration = Duration::from_secs(1);
    let image_id = image(name, size).image_id;
    fixture.notify(&[Event::Fetched { image_id, at: at(2), bytes: size, duration, requester }])
}

pub(super) fn what_two_instances_cache_at_the_same_time_is_complete(fixture: Fixture) -> Verdict {
    with_two_instances(&fixture, |instance, number| {
        (0..EACH).try_for_each(|n| fetch(instance, &format!("image-{number}-{n:02}"), 10))
    })?;
    let all = CacheSize { images: 2 * EACH, bytes: 2 * EACH * 10 };
    equal("images and bytes", &fixture.size()?, &all)?;
    equal("records in the list", &(fixture.list()?.len() as u64), &(2 * EACH))
}

/// Each instance caches and forgets images of its own while both use one image.
pub(super) fn two_instances_forget_at_the_same_time_and_lose_no_other_image(
    fixture: Fixture,
) -> Verdict {
    fetch(&fixture, "shared", 10)?;
    with_two_instances(&fixture, |instance, number| {
        (0..EACH).try_for_each(|n| {
            let name = format!("image-{number}-{n:02}");
            fetch(instance, &name, 10)?;
            instance.hits(&[("shared", at(3)), (&name, at(3))])?;
            instance.victims(1, &["shared"], 1)?;
            instance.remove(&[&name])
        })
    })?;
    equal("images and bytes", &fixture.size()?, &CacheSize { images: 1, bytes: 10 })?;
    equal("hits", &fixture.hit_count("shared")?, &(2 * EACH))
}
