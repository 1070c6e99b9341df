//! Admission: whatever the policy, the calls return a result and change no record.

use super::failure::{Verdict, equal};
use super::fixture::Fixture;
use super::images::{at, image};
use image_cache_model::{CacheSize, RequestKind, Requester};

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

pub(super) fn admission_is_answered_for_every_kind_of_request(fixture: Fixture) -> Verdict {
    for kind in
        [RequestKind::Client, RequestKind::Follower, RequestKind::Prefetch, RequestKind::Add]
    {
        for tenant in [None, "a".parse().ok(), "t".repeat(128).parse().ok()] {
            fixture.admit("new", Some(20), at(1), &Requester::of(kind).with_tenant(tenant))?;
        }
    }
    fixture.lacks("new")
}

pub(super) fn a_second_question_with_the_size_is_answered(fixture: Fixture) -> Verdict {
    let requester = Requester::default().with_tenant("a".parse().ok());
    fixture.admit("new", None, at(1), &requester)?;
    fixture.admit("new", Some(1 << 40), at(60), &requester)?;
    fixture.lacks("new")
}
