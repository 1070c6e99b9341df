//! Admission: whatever the policy, the question has an answer and no effect.

use super::failure::{Verdict, equal};
use super::fixture::{Fixture, at, image};
use image_cache_model::CacheSize;

pub(super) fn admission_is_answered_for_an_unknown_size(subject: Fixture) -> Verdict {
    subject.books.admits("new", None, at(0)).map(drop)
}

pub(super) fn admission_is_answered_for_every_size(subject: Fixture) -> Verdict {
    for size in [0, 1, u64::from(u32::MAX) + 1, 1 << 53, i64::MAX.unsigned_abs()] {
        subject.books.admits("new", Some(size), at(0))?;
    }
    Ok(())
}

pub(super) fn admission_is_answered_for_an_image_in_the_books(subject: Fixture) -> Verdict {
    subject.books.add(&image("known", 10))?;
    subject.books.admits("known", Some(10), at(1))?;
    subject.books.admits("known", None, at(2)).map(drop)
}

pub(super) fn asking_for_admission_changes_nothing(subject: Fixture) -> Verdict {
    let known = image("known", 10);
    subject.books.add(&known)?;
    subject.books.admits("new", Some(20), at(1))?;
    subject.books.admits("known", Some(20), at(2))?;
    subject.books.lacks("new")?;
    subject.books.has(&known)?;
    equal("images and bytes", &subject.books.size()?, &CacheSize { images: 1, bytes: 10 })
}
