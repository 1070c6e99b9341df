//! What the built-in drivers promise on top: least recently accessed first, every image admitted, stalled
//! and invalid leftovers removed.

use super::failure::{Verdict, equal};
use super::fixture::{Fixture, at, image_accessed};
use super::leftovers::leftover;
use image_cache_model::{CachedImage, Leftover, LeftoverState};
use std::time::Duration;

/// More than any of these books hold.
const MANY: u32 = 1000;

/// Four images of 10 bytes; the order of their ids is not that of their accesses, which is `c a d b`.
fn with_four(subject: &Fixture) -> Verdict {
    let images =
        [("a", 20), ("b", 40), ("c", 10), ("d", 30)].map(|(name, at)| image_accessed(name, 10, at));
    subject.books.add_all(&images)
}

fn evicted(
    subject: &Fixture,
    bytes_needed: u64,
    exclude: &[&str],
    limit: u32,
    expected: &[&str],
) -> Verdict {
    let victims = subject.books.victim_ids(bytes_needed, exclude, limit)?;
    let expected: Vec<String> = expected.iter().map(|name| (*name).to_owned()).collect();
    equal(
        &format!("victims for {bytes_needed} bytes without {exclude:?}, at most {limit}"),
        &victims,
        &expected,
    )
}

pub(super) fn the_least_recently_accessed_image_goes_first(subject: Fixture) -> Verdict {
    with_four(&subject)?;
    evicted(&subject, u64::MAX, &[], MANY, &["c", "a", "d", "b"])?;
    evicted(&subject, 1, &[], MANY, &["c"])
}

pub(super) fn a_hit_makes_an_image_the_last_to_go(subject: Fixture) -> Verdict {
    with_four(&subject)?;
    subject.books.hit("c", at(50))?;
    evicted(&subject, u64::MAX, &[], MANY, &["a", "d", "b", "c"])?;
    subject.books.hits(&[("a", at(60)), ("d", at(61)), ("a", at(62))])?;
    evicted(&subject, u64::MAX, &[], MANY, &["b", "c", "d", "a"])
}

pub(super) fn a_late_hit_makes_no_image_younger_than_it_is(subject: Fixture) -> Verdict {
    with_four(&subject)?;
    subject.books.hit("c", at(25))?;
    subject.books.hit("b", at(1))?;
    evicted(&subject, u64::MAX, &[], MANY, &["a", "c", "d", "b"])
}

pub(super) fn no_more_images_go_than_are_needed(subject: Fixture) -> Verdict {
    with_four(&subject)?;
    evicted(&subject, 10, &[], MANY, &["c"])?;
    evicted(&subject, 20, &[], MANY, &["c", "a"])?;
    evicted(&subject, 40, &[], MANY, &["c", "a", "d", "b"])
}

pub(super) fn one_byte_more_takes_the_next_image(subject: Fixture) -> Verdict {
    with_four(&subject)?;
    evicted(&subject, 9, &[], MANY, &["c"])?;
    evicted(&subject, 11, &[], MANY, &["c", "a"])?;
    evicted(&subject, 21, &[], MANY, &["c", "a", "d"])
}

pub(super) fn where_no_bytes_are_needed_nothing_goes(subject: Fixture) -> Verdict {
    with_four(&subject)?;
    evicted(&subject, 0, &[], MANY, &[])
}

pub(super) fn images_accessed_at_the_same_time_go_by_their_ids(subject: Fixture) -> Verdict {
    for name in ["b", "ä", "B", "a", "aa"] {
        subject.books.add(&image_accessed(name, 10, 5))?;
    }
    // A microsecond is time enough.
    let earlier = CachedImage {
        last_accessed: at(5) - Duration::from_micros(1),
        ..image_accessed("z", 10, 0)
    };
    subject.books.add(&earlier)?;
    evicted(&subject, u64::MAX, &[], MANY, &["z", "B", "a", "aa", "b", "ä"])?;
    evicted(&subject, 30, &[], MANY, &["z", "B", "a"])
}

pub(super) fn the_next_oldest_takes_the_place_of_an_excluded_image(subject: Fixture) -> Verdict {
    with_four(&subject)?;
    evicted(&subject, 10, &["c"], MANY, &["a"])?;
    evicted(&subject, 20, &["a", "unknown"], MANY, &["c", "d"])?;
    evicted(&subject, u64::MAX, &["d", "b", "c"], MANY, &["a"])
}

pub(super) fn a_limit_keeps_the_oldest(subject: Fixture) -> Verdict {
    with_four(&subject)?;
    evicted(&subject, u64::MAX, &[], 1, &["c"])?;
    evicted(&subject, u64::MAX, &[], 3, &["c", "a", "d"])?;
    evicted(&subject, 35, &["c"], 2, &["a", "d"])
}

pub(super) fn the_order_holds_over_many_images(subject: Fixture) -> Verdict {
    const IMAGES: i64 = 1500;
    // 677 and 1500 have no common divisor: each second is taken once, in no order.
    let images: Vec<CachedImage> =
        (0..IMAGES).map(|n| image_accessed(&format!("image-{n}"), 7, n * 677 % IMAGES)).collect();
    subject.books.add_all(&images)?;
    let mut oldest: Vec<&CachedImage> = images.iter().collect();
    oldest.sort_by_key(|image| image.last_accessed);
    for count in [1, 999, 1000, 1001, 1500] {
        let victims = subject.books.victim_ids(7 * count, &[], 10_000)?;
        equal(&format!("victims for {count} images"), &(victims.len() as u64), &count)?;
        let wrong =
            victims.iter().zip(&oldest).find(|(name, image)| *name != image.image_id.as_str());
        equal("the first victim out of order", &wrong.map(|(name, _)| name), &None)?;
    }
    Ok(())
}

pub(super) fn the_order_survives_a_restart(subject: Fixture) -> Verdict {
    with_four(&subject)?;
    subject.books.hit("c", at(35))?;
    let subject = subject.restart()?;
    evicted(&subject, u64::MAX, &[], MANY, &["a", "d", "c", "b"])
}

pub(super) fn every_image_is_admitted(subject: Fixture) -> Verdict {
    for size in [None, Some(0), Some(1 << 53), Some(i64::MAX.unsigned_abs())] {
        equal(
            &format!("admission of {size:?} bytes"),
            &subject.books.admits("any", size, at(0))?,
            &true,
        )?;
    }
    Ok(())
}

pub(super) fn every_invalid_leftover_goes(subject: Fixture) -> Verdict {
    let offered = [-1000, 0, 100, 1000]
        .map(|at| leftover(&format!("broken-{at}"), LeftoverState::Invalid, at));
    equal("leftovers to remove", &removed(&subject, &offered)?, &offered.to_vec())
}

pub(super) fn an_incomplete_leftover_goes_when_it_has_stalled(subject: Fixture) -> Verdict {
    let micro = Duration::from_micros(1);
    let old = leftover("old", LeftoverState::Incomplete, -1000);
    let stalled = leftover("just-stalled", LeftoverState::Incomplete, 0);
    let almost =
        Leftover { modified: at(0) + micro, ..leftover("almost", LeftoverState::Incomplete, 0) };
    let young = leftover("young", LeftoverState::Incomplete, 99);
    let future = leftover("of-the-future", LeftoverState::Incomplete, 1000);
    let offered = [old.clone(), almost, stalled.clone(), young, future];
    equal("leftovers to remove", &removed(&subject, &offered)?, &vec![old, stalled])
}

/// What goes, in the order offered, where all that was last written to before the suite's start has stalled.
fn removed(subject: &Fixture, offered: &[Leftover]) -> Verdict<Vec<Leftover>> {
    let mut removed = subject.books.leftovers(offered, at(0), at(100))?;
    removed.sort_by_key(|leftover| offered.iter().position(|other| other == leftover));
    Ok(removed)
}
