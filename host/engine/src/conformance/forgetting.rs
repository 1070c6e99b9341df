//! Forgetting: records go with their files, and no others.

use super::failure::{Verdict, equal};
use super::fixture::{Fixture, at, image};
use image_cache_model::{CacheSize, CachedImage};

pub(super) fn a_forgotten_image_is_gone(subject: Fixture) -> Verdict {
    subject.books.add(&image("gone", 10))?;
    subject.books.remove(&["gone"])?;
    subject.books.lacks("gone")?;
    equal("images and bytes", &subject.books.size()?, &CacheSize::default())
}

pub(super) fn forgetting_leaves_the_others_alone(subject: Fixture) -> Verdict {
    let others = [CachedImage { hits: 3, ..image("b", 2) }, image("b1", 3)];
    subject.books.add_all(&others)?;
    subject.books.add_all(&[image("a", 1), image("b2", 4)])?;
    subject.books.remove(&["a", "b2"])?;
    equal("the list", &subject.books.list()?, &others.to_vec())?;
    equal("images and bytes", &subject.books.size()?, &CacheSize { images: 2, bytes: 5 })
}

pub(super) fn unknown_images_are_passed_over_when_others_are_forgotten(
    subject: Fixture,
) -> Verdict {
    subject.books.add_all(&[image("a", 1), image("b", 2), image("c", 3)])?;
    subject.books.forget(&["unknown"])?;
    subject.books.remove(&["no", "a", "never", "c", "none"])?;
    equal("the list", &subject.books.list()?, &vec![image("b", 2)])
}

pub(super) fn forgetting_nothing_or_twice_changes_nothing(subject: Fixture) -> Verdict {
    let kept = image("kept", 10);
    subject.books.add_all([&kept, &image("gone", 20)])?;
    subject.books.forget(&[])?;
    equal("images and bytes", &subject.books.size()?, &CacheSize { images: 2, bytes: 30 })?;
    subject.books.remove(&["gone", "gone"])?;
    subject.books.forget(&["gone"])?;
    equal("the list", &subject.books.list()?, &vec![kept])
}

pub(super) fn many_images_are_forgotten_at_once(subject: Fixture) -> Verdict {
    let names: Vec<String> = (0..1100).map(|n| format!("image-{n:04}")).collect();
    for name in &names {
        subject.books.add(&image(name, 3))?;
    }
    let gone: Vec<&str> = names[..1050].iter().map(String::as_str).collect();
    subject.books.remove(&gone)?;
    equal("images and bytes", &subject.books.size()?, &CacheSize { images: 50, bytes: 150 })?;
    let left = super::instance::names(&subject.books.list()?);
    equal("the list", &left, &names[1050..].to_vec())
}

pub(super) fn a_hit_brings_no_forgotten_image_back(subject: Fixture) -> Verdict {
    subject.books.add(&image("gone", 10))?;
    subject.books.hit("gone", at(1))?;
    subject.books.remove(&["gone"])?;
    subject.books.hit("gone", at(2))?;
    subject.books.lacks("gone")?;
    equal("images and bytes", &subject.books.size()?, &CacheSize::default())
}

pub(super) fn an_image_recorded_after_it_was_forgotten_starts_anew(subject: Fixture) -> Verdict {
    let record = image("again", 10);
    subject.books.add(&record)?;
    subject.books.hits(&[("again", at(1)), ("again", at(2))])?;
    subject.books.remove(&["again"])?;
    subject.books.add(&record)?;
    subject.books.has(&record)?;
    subject.books.hit("again", at(3))?;
    equal("hits", &subject.books.hit_count("again")?, &1)
}
