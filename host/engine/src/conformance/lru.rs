//! Further requirements for the built-in drivers: least recently accessed first, every image admitted, stalled
//! and invalid leftovers removed.

use super::failure::{Verdict, equal};
use super::fixture::Fixture;
use super::images::{at, image_accessed};
use super::leftovers::leftover;
use image_cache_model::{CachedImage, Leftover, LeftoverState};
use std::time::Duration;

/// More than the number of these records.
const MANY: u32 = 1000;

/// Four images of 10 bytes; the order of their ids differs from that of their accesses, which is `c a d b`.
fn with_four(fixture: &Fixture) -> Verdict {
    let images =
        [("a", 20), ("b", 40), ("c", 10), ("d", 30)].map(|(name, at)| image_accessed(name, 10, at));
    fixture.add_all(&images)
}

fn evicted(
    fixture: &Fixture,
    bytes_needed: u64,
    exclude: &[&str],
    limit: u32,
    expected: &[&str],
) -> Verdict {
    let victims = fixture.victim_ids(bytes_needed, exclude, limit)?;
    let expected: Vec<String> = expected.iter().map(|name| (*name).to_owned()).collect();
    equal(
        &format!("victims for {bytes_needed} bytes without {exclude:?}, at most {limit}"),
        &victims,
        &expected,
    )
}

pub(super) fn the_least_recently_accessed_image_goes_first(fixture: Fixture) -> Verdict {
    with_four(&fixture)?;
    evicted(&fixture, u64::MAX, &[], MANY, &["c", "a", "d", "b"])?;
    evicted(&fixture, 1, &[], MANY, &["c"])
}

pub(super) fn a_hit_makes_an_image_the_last_to_go(fixture: Fixture) -> Verdict {
    with_four(&fixture)?;
    fixture.hit("c", at(50))?;
    evicted(&fixture, u64::MAX, &[], MANY, &["a", "d", "b", "c"])?;
    fixture.hits(&[("a", at(60)), ("d", at(61)), ("a", at(62))])?;
    evicted(&fixture, u64::MAX, &[], MANY, &["b", "c", "d", "a"])
}

pub(super) fn a_late_hit_makes_no_image_younger_than_it_is(fixture: Fixture) -> Verdict {
    with_four(&fixture)?;
    fixture.hit("c", at(25))?;
    fixture.hit("b", at(1))?;
    evicted(&fixture, u64::MAX, &[], MANY, &["a", "c", "d", "b"])
}

pub(super) fn no_more_images_go_than_are_needed(fixture: Fixture) -> Verdict {
    with_four(&fixture)?;
    evicted(&fixture, 10, &[], MANY, &["c"])?;
    evicted(&fixture, 20, &[], MANY, &["c", "a"])?;
    evicted(&fixture, 40, &[], MANY, &["c", "a", "d", "b"])
}

pub(super) fn one_byte_more_takes_the_next_image(fixture: Fixture) -> Verdict {
    with_four(&fixture)?;
    evicted(&fixture, 9, &[], MANY, &["c"])?;
    evicted(&fixture, 11, &[], MANY, &["c", "a"])?;
    evicted(&fixture, 21, &[], MANY, &["c", "a", "d"])
}

pub(super) fn where_no_bytes_are_needed_nothing_goes(fixture: Fixture) -> Verdict {
    with_four(&fixture)?;
    evicted(&fixture, 0, &[], MANY, &[])
}

pub(super) fn images_accessed_at_the_same_time_go_by_their_ids(fixture: Fixture) -> Verdict {
    for name in ["b", "ä", "B", "a", "aa"] {
        fixture.add(&image_accessed(name, 10, 5))?;
    }
    // A difference of one microsecond is sufficient.
    let earlier = image_accessed("z", 10, 0).with_last_accessed(at(5) - Duration::from_micros(1));
    fixture.add(&earlier)?;
    evicted(&fixture, u64::MAX, &[], MANY, &["z", "B", "a", "aa", "b", "ä"])?;
    evicted(&fixture, 30, &[], MANY, &["z", "B", "a"])
}

pub(super) fn the_next_oldest_takes_the_place_of_an_excluded_image(fixture: Fixture) -> Verdict {
    with_four(&fixture)?;
    evicted(&fixture, 10, &["c"], MANY, &["a"])?;
    evicted(&fixture, 20, &["a", "unknown"], MANY, &["c", "d"])?;
    evicted(&fixture, u64::MAX, &["d", "b", "c"], MANY, &["a"])
}

pub(super) fn a_limit_keeps_the_oldest(fixture: Fixture) -> Verdict {
    with_four(&fixture)?;
    evicted(&fixture, u64::MAX, &[], 1, &["c"])?;
    evicted(&fixture, u64::MAX, &[], 3, &["c", "a", "d"])?;
    evicted(&fixture, 35, &["c"], 2, &["a", "d"])
}

pub(super) fn the_order_holds_over_many_images(fixture: Fixture) -> Verdict {
    const IMAGES: i64 = 1500;
    // 677 and 1500 have no common divisor: each second occurs once, in no order.
    let images: Vec<CachedImage> =
        (0..IMAGES).map(|n| image_accessed(&format!("image-{n}"), 7, n * 677 % IMAGES)).collect();
    fixture.add_all(&images)?;
    let mut oldest: Vec<&CachedImage> = images.iter().collect();
    oldest.sort_by_key(|image| image.last_accessed);
    for count in [1, 999, 1000, 1001, 1500] {
        let victims = fixture.victim_ids(7 * count, &[], 10_000)?;
        equal(&format!("victims for {count} images"), &(victims.len() as u64), &count)?;
        let wrong =
            victims.iter().zip(&oldest).find(|(name, image)| *name != image.image_id.as_str());
        equal("the first victim out of order", &wrong.map(|(name, _)| name), &None)?;
    }
    Ok(())
}

pub(super) fn the_order_survives_a_restart(fixture: Fixture) -> Verdict {
    with_four(&fixture)?;
    fixture.hit("c", at(35))?;
    let fixture = fixture.restart()?;
    evicted(&fixture, u64::MAX, &[], MANY, &["a", "d", "c", "b"])
}

pub(super) fn every_invalid_leftover_goes(fixture: Fixture) -> Verdict {
    let offered = [-1000, 0, 100, 1000]
        .map(|at| leftover(&format!("broken-{at}"), LeftoverState::Invalid, at));
    equal("leftovers to remove", &removed(&fixture, &offered)?, &offered.to_vec())
}

pub(super) fn an_incomplete_leftover_goes_when_it_has_stalled(fixture: Fixture) -> Verdict {
    let micro = Duration::from_micros(1);
    let old = leftover("old", LeftoverState::Incomplete, -1000);
    let stalled = leftover("just-stalled", LeftoverState::Incomplete, 0);
    let almost =
        Leftover { modified: at(0) + micro, ..leftover("almost", LeftoverState::Incomplete, 0) };
    let young = leftover("young", LeftoverState::Incomplete, 99);
    let future = leftover("of-the-future", LeftoverState::Incomplete, 1000);
    let offered = [old.clone(), almost, stalled.clone(), young, future];
    equal("leftovers to remove", &removed(&fixture, &offered)?, &vec![old, stalled])
}

/// The leftovers to remove, in the order offered, if all those last written before the suite's start have stalled.
fn removed(fixture: &Fixture, offered: &[Leftover]) -> Verdict<Vec<Leftover>> {
    let mut removed = fixture.leftovers(offered, at(0), at(100))?;
    removed.sort_by_key(|leftover| offered.iter().position(|other| other == leftover));
    Ok(removed)
}
