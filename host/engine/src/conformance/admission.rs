//! Admission: whatever the policy, the call returns a result and has no effect.

use super::failure::{Verdict, equal};
use super::fixture::Fixture;
use super::images::{at, image};
use image_cache_model::CacheSize;

pub(super) fn admission_is_answered_for_an_unknown_size(fixture: Fixture) -> Verdict {
    fixture.admits("new", None, at(0)).map(drop)
}

pub(super) fn admission_is_answered_for_every_size(fixture: Fixture) -> Verdict {
    for size in [0, 1, u64::from(u32::MAX) + 1, 1 << 53, i64::MAX.unsigned_abs()] {
        fixture.admits("new", Some(size), at(0))?;
    }
    Ok(())
}

pub(super) fn admission_is_answered_for_an_image_in_the_records(fixture: Fixture) -> Verdict {
    fixture.add(&image("known", 10))?;
    fixture.admits("known", Some(10), at(1))?;
    fixture.admits("known", None, at(2)).map(drop)
}

pub(super) fn asking_for_admission_changes_nothing(fixture: Fixture) -> Verdict {
    let known = image("known", 10);
    fixture.add(&known)?;
    fixture.admits("new", Some(20), at(1))?;
    fixture.admits("known", Some(20), at(2))?;
    fixture.lacks("new")?;
    fixture.has(&known)?;
    equal("images and bytes", &fixture.size()?, &CacheSize { images: 1, bytes: 10 })
}
