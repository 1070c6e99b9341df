//! Victims: whatever the policy, they are cached images that may be evicted, and they are sufficient.

use super::failure::{Verdict, cannot, equal, holds};
use super::fixture::Fixture;
use super::images::{at, id, image, image_accessed};
use image_cache_model::{CacheSize, CachedImage, Victim};
use image_cache_store::Pin;
use std::collections::BTreeSet;

/// More than the number of these records.
const MANY: u32 = 1000;

/// Ten images of 10, 20, … 100 bytes: 550 in total.
fn with_ten(fixture: &Fixture) -> Verdict<Vec<CachedImage>> {
    let images: Vec<CachedImage> = (1..=10)
        .map(|n: u32| {
            image_accessed(&format!("image-{n:02}"), u64::from(n) * 10, i64::from(n * 7 % 10))
        })
        .collect();
    fixture.add_all(&images)?;
    Ok(images)
}

/// Checks that each victim is one of these images, named once.
fn distinct_among(victims: &[Victim], images: &[CachedImage]) -> Verdict {
    let mut seen = BTreeSet::new();
    for Victim { image_id, .. } in victims {
        holds(
            images.iter().any(|image| image.image_id == *image_id),
            "only cached images",
            image_id,
        )?;
        holds(seen.insert(image_id), "each victim once", &victims)?;
    }
    Ok(())
}

fn bytes(victims: &[Victim]) -> u64 {
    victims.iter().map(|victim| victim.size).sum()
}

pub(super) fn empty_records_have_no_victims(fixture: Fixture) -> Verdict {
    for bytes_needed in [0, 1, u64::MAX] {
        let victims = fixture.victims(bytes_needed, &[], MANY)?;
        equal(&format!("victims for {bytes_needed} bytes"), &victims, &Vec::new())?;
    }
    Ok(())
}

pub(super) fn a_question_for_no_bytes_is_answered(fixture: Fixture) -> Verdict {
    let images = with_ten(&fixture)?;
    // A policy with an age limit may name some.
    distinct_among(&fixture.victims(0, &[], MANY)?, &images)
}

pub(super) fn no_more_victims_are_named_than_are_needed(fixture: Fixture) -> Verdict {
    with_ten(&fixture)?;
    for bytes_needed in [1, 10, 99, 200, 500] {
        let victims = fixture.victims(bytes_needed, &[], MANY)?;
        let before_the_last = victims.split_last().map_or(&[][..], |(_, before)| before);
        holds(
            bytes(before_the_last) < bytes_needed,
            format!("no victim more once {bytes_needed} bytes are reached"),
            &victims,
        )?;
    }
    Ok(())
}

/// No policy has a reason for this: if all images were named, the cache would be emptied although no room is needed.
pub(super) fn what_was_used_just_now_goes_only_where_bytes_are_needed(fixture: Fixture) -> Verdict {
    let just_now = |n: u32| {
        image_accessed(&format!("image-{n:02}"), u64::from(n) * 10, 999).with_last_modified(at(999))
    };
    fixture.add_all(&(1..=10).map(just_now).collect::<Vec<_>>())?;
    equal("victims for 0 bytes", &fixture.victims(0, &[], MANY)?, &Vec::new())
}

pub(super) fn victims_are_cached_images_each_named_once(fixture: Fixture) -> Verdict {
    let images = with_ten(&fixture)?;
    fixture.place(&image("a-file-without-a-record", 0))?;
    fixture.remove(&["a-file-without-a-record"])?;
    for bytes_needed in [1, 10, 99, 549, 550, 551, u64::MAX] {
        let victims = fixture.victims(bytes_needed, &[], MANY)?;
        holds(!victims.is_empty(), format!("victims for {bytes_needed} bytes"), &victims)?;
        distinct_among(&victims, &images)?;
    }
    Ok(())
}

pub(super) fn victims_have_the_sizes_of_their_records(fixture: Fixture) -> Verdict {
    with_ten(&fixture)?;
    fixture.add(&image("empty", 0))?;
    for victim in fixture.victims(u64::MAX, &[], MANY)? {
        let size = fixture.known(victim.image_id.as_str())?.size;
        equal(&format!("the size of {}", victim.image_id), &victim.size, &size)?;
    }
    Ok(())
}

pub(super) fn excluded_images_are_never_victims(fixture: Fixture) -> Verdict {
    let images = with_ten(&fixture)?;
    let excluded = ["image-01", "image-05", "image-10"];
    for bytes_needed in [1, 200, 550, u64::MAX] {
        let victims = fixture.victims(bytes_needed, &excluded, MANY)?;
        distinct_among(&victims, &images)?;
        let wrong = victims.iter().find(|victim| excluded.contains(&victim.image_id.as_str()));
        equal("an excluded victim", &wrong, &None)?;
    }
    equal("all others", &fixture.victims(u64::MAX, &excluded, MANY)?.len(), &7)?;
    let all: Vec<&str> = images.iter().map(|image| image.image_id.as_str()).collect();
    equal("victims where all are excluded", &fixture.victims(u64::MAX, &all, MANY)?, &Vec::new())
}

pub(super) fn pinned_images_are_never_victims(fixture: Fixture) -> Verdict {
    let images = with_ten(&fixture)?;
    let pinned = ["image-02", "image-09", "not-cached"];
    for name in pinned {
        let pin = Pin::new("operator", None);
        let added = fixture.directory.pin(&id(name), pin);
        added.map_err(|error| cannot("pin", &fixture.directory.path().join(name), &error))?;
    }
    // The host excludes them; a driver may also list them.
    let victims = fixture.victims(u64::MAX, &pinned, MANY)?;
    distinct_among(&victims, &images)?;
    let wrong = victims.iter().find(|victim| pinned.contains(&victim.image_id.as_str()));
    equal("a pinned victim", &wrong, &None)?;
    equal("all others", &victims.len(), &8)
}

pub(super) fn an_unknown_image_may_be_excluded(fixture: Fixture) -> Verdict {
    with_ten(&fixture)?;
    let excluded = ["unknown", "image-1", "image-011"];
    equal("victims", &fixture.victims(u64::MAX, &excluded, MANY)?.len(), &10)
}

pub(super) fn there_are_no_more_victims_than_the_limit(fixture: Fixture) -> Verdict {
    let images = with_ten(&fixture)?;
    for limit in 1..=11u32 {
        let victims = fixture.victims(u64::MAX, &[], limit)?;
        distinct_among(&victims, &images)?;
        equal(
            &format!("victims up to a limit of {limit}"),
            &victims.len(),
            &10.min(limit as usize),
        )?;
    }
    Ok(())
}

/// Where a language has signed numbers only, the largest limit can arrive as -1.
pub(super) fn the_largest_limit_allows_every_victim(fixture: Fixture) -> Verdict {
    with_ten(&fixture)?;
    equal("victims", &fixture.victims(u64::MAX, &[], u32::MAX)?.len(), &10)
}

pub(super) fn victims_cover_the_bytes_needed(fixture: Fixture) -> Verdict {
    with_ten(&fixture)?;
    for bytes_needed in [1, 10, 11, 100, 101, 300, 549, 550] {
        let victims = fixture.victims(bytes_needed, &[], MANY)?;
        holds(
            bytes(&victims) >= bytes_needed,
            format!("victims of {bytes_needed} bytes"),
            &victims,
        )?;
    }
    let victims = fixture.victims(400, &["image-09"], MANY)?;
    holds(bytes(&victims) >= 400, "victims of 400 bytes beside the excluded one", &victims)
}

pub(super) fn a_need_beyond_all_bytes_names_every_image(fixture: Fixture) -> Verdict {
    with_ten(&fixture)?;
    // Images of 0 bytes must also be named if the cache must be emptied.
    fixture.add(&image("empty", 0))?;
    for bytes_needed in [551, 1 << 63, u64::MAX] {
        let victims = fixture.victims(bytes_needed, &[], MANY)?;
        equal(&format!("victims for {bytes_needed} bytes"), &victims.len(), &11)?;
    }
    Ok(())
}

pub(super) fn asked_again_and_again_the_cache_is_emptied(fixture: Fixture) -> Verdict {
    with_ten(&fixture)?;
    for _ in 0..10 {
        let names = fixture.victim_ids(u64::MAX, &[], 3)?;
        if names.is_empty() {
            break;
        }
        fixture.remove(&names.iter().map(String::as_str).collect::<Vec<_>>())?;
    }
    equal("images and bytes", &fixture.size()?, &CacheSize::default())
}

pub(super) fn a_forgotten_image_is_no_victim(fixture: Fixture) -> Verdict {
    with_ten(&fixture)?;
    fixture.victims(u64::MAX, &[], MANY)?;
    fixture.remove(&["image-03", "image-07"])?;
    let victims = fixture.victim_ids(u64::MAX, &[], MANY)?;
    let wrong = victims.iter().find(|name| *name == "image-03" || *name == "image-07");
    equal("a forgotten victim", &wrong, &None)?;
    equal("victims", &victims.len(), &8)
}

pub(super) fn naming_victims_changes_no_record(fixture: Fixture) -> Verdict {
    let images = with_ten(&fixture)?;
    fixture.hit("image-04", at(20))?;
    let before = fixture.list()?;
    for bytes_needed in [0, 100, u64::MAX] {
        fixture.victims(bytes_needed, &["image-04"], 5)?;
    }
    equal("the list", &fixture.list()?, &before)?;
    holds(before.len() == images.len(), "ten images", &before.len())
}
