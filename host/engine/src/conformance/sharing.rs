//! Sharing: several instances, in one process or in several, keep the same records.

use super::failure::{Failure, Verdict, equal};
use super::fixture::Fixture;
use super::images::{at, image};
use image_cache_model::CacheSize;

/// Hits that each instance counts when both count at the same time.
const HITS_EACH: i64 = 200;

pub(super) fn two_instances_see_each_others_records(fixture: Fixture) -> Verdict {
    let (ours, theirs) = (&fixture, &fixture.another_instance()?);
    let (a, b) = (image("a", 1), image("b", 2));
    ours.add(&a)?;
    theirs.has(&a)?;
    theirs.add(&b)?;
    for instance in [ours, theirs] {
        instance.has(&b)?;
        equal("the list", &instance.list()?, &vec![a.clone(), b.clone()])?;
        equal("images and bytes", &instance.size()?, &CacheSize { images: 2, bytes: 3 })?;
    }
    Ok(())
}

pub(super) fn two_instances_see_each_others_hits(fixture: Fixture) -> Verdict {
    let (ours, theirs) = (&fixture, &fixture.another_instance()?);
    let record = image("read", 10);
    ours.add(&record)?;
    ours.hit("read", at(1))?;
    theirs.hit("read", at(2))?;
    ours.hit("read", at(3))?;
    for instance in [ours, theirs] {
        instance.has(&record.clone().with_hits(3).with_last_accessed(at(3)))?;
    }
    Ok(())
}

pub(super) fn two_instances_see_what_the_other_forgot(fixture: Fixture) -> Verdict {
    let (ours, theirs) = (&fixture, &fixture.another_instance()?);
    ours.add_all(&[image("a", 1), image("b", 2)])?;
    theirs.hit("a", at(1))?;
    ours.remove(&["a"])?;
    theirs.lacks("a")?;
    theirs.hit("a", at(2))?;
    for instance in [ours, theirs] {
        instance.lacks("a")?;
        equal("images and bytes", &instance.size()?, &CacheSize { images: 1, bytes: 2 })?;
    }
    Ok(())
}

pub(super) fn an_instance_sees_what_another_replaced(fixture: Fixture) -> Verdict {
    let (ours, theirs) = (&fixture, &fixture.another_instance()?);
    ours.add(&image("renewed", 10))?;
    ours.hits(&[("renewed", at(1)), ("renewed", at(2))])?;
    theirs.remove(&["renewed"])?;
    let record = image("renewed", 20);
    theirs.add(&record)?;
    ours.has(&record)?;
    ours.hit("renewed", at(3))?;
    theirs.has(&record.with_hits(1).with_last_accessed(at(3)))
}

pub(super) fn hits_of_two_instances_at_the_same_time_all_count(fixture: Fixture) -> Verdict {
    let (ours, theirs) = (&fixture, &fixture.another_instance()?);
    ours.add(&image("read", 10))?;
    let count = |instance: &Fixture| (1..=HITS_EACH).try_for_each(|n| instance.hit("read", at(n)));
    let (we, they) = std::thread::scope(|scope| {
        let other = scope.spawn(|| count(theirs));
        (count(ours), other.join())
    });
    we?;
    they.map_err(|_| Failure::new("hits from two threads", "a thread panicked"))??;
    equal("hits", &ours.hit_count("read")?, &(2 * HITS_EACH.unsigned_abs()))?;
    equal("the last access", &theirs.known("read")?.last_accessed, &at(HITS_EACH))
}
