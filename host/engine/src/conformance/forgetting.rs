//! Forgetting: records are removed with their files, and no other records.

use super::failure::{Verdict, equal};
use super::fixture::Fixture;
use super::images::{at, image};
use image_cache_model::CacheSize;

pub(super) fn a_forgotten_image_is_gone(fixture: Fixture) -> Verdict {
    fixture.add(&image("gone", 10))?;
    fixture.remove(&["gone"])?;
    fixture.lacks("gone")?;
    equal("images and bytes", &fixture.size()?, &CacheSize::default())
}

pub(super) fn forgetting_leaves_the_others_alone(fixture: Fixture) -> Verdict {
    let others = [image("b", 2).with_hits(3), image("b1", 3)];
    fixture.add_all(&others)?;
    fixture.add_all(&[image("a", 1), image("b2", 4)])?;
    fixture.remove(&["a", "b2"])?;
    equal("the list", &fixture.list()?, &others.to_vec())?;
    equal("images and bytes", &fixture.size()?, &CacheSize { images: 2, bytes: 5 })
}

pub(super) fn unknown_images_are_passed_over_when_others_are_forgotten(
    fixture: Fixture,
) -> Verdict {
    fixture.add_all(&[image("a", 1), image("b", 2), image("c", 3)])?;
    fixture.forget(&["unknown"])?;
    fixture.remove(&["no", "a", "never", "c", "none"])?;
    equal("the list", &fixture.list()?, &vec![image("b", 2)])
}

pub(super) fn forgetting_nothing_or_twice_changes_nothing(fixture: Fixture) -> Verdict {
    let kept = image("kept", 10);
    fixture.add_all([&kept, &image("gone", 20)])?;
    fixture.forget(&[])?;
    equal("images and bytes", &fixture.size()?, &CacheSize { images: 2, bytes: 30 })?;
    fixture.remove(&["gone", "gone"])?;
    fixture.forget(&["gone"])?;
    equal("the list", &fixture.list()?, &vec![kept])
}

pub(super) fn many_images_are_forgotten_at_once(fixture: Fixture) -> Verdict {
    let names: Vec<String> = (0..1100).map(|n| format!("image-{n:04}")).collect();
    for name in &names {
        fixture.add(&image(name, 3))?;
    }
    let gone: Vec<&str> = names[..1050].iter().map(String::as_str).collect();
    fixture.remove(&gone)?;
    equal("images and bytes", &fixture.size()?, &CacheSize { images: 50, bytes: 150 })?;
    let left = super::calls::names(&fixture.list()?);
    equal("the list", &left, &names[1050..].to_vec())
}

pub(super) fn a_hit_brings_no_forgotten_image_back(fixture: Fixture) -> Verdict {
    fixture.add(&image("gone", 10))?;
    fixture.hit("gone", at(1))?;
    fixture.remove(&["gone"])?;
    fixture.hit("gone", at(2))?;
    fixture.lacks("gone")?;
    equal("images and bytes", &fixture.size()?, &CacheSize::default())
}

pub(super) fn an_image_recorded_after_it_was_forgotten_starts_anew(fixture: Fixture) -> Verdict {
    let record = image("again", 10);
    fixture.add(&record)?;
    fixture.hits(&[("again", at(1)), ("again", at(2))])?;
    fixture.remove(&["again"])?;
    fixture.add(&record)?;
    fixture.has(&record)?;
    fixture.hit("again", at(3))?;
    equal("hits", &fixture.hit_count("again")?, &1)
}
