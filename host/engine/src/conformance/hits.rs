//! Hits: each is counted once, and updates the last access.

use super::failure::{Verdict, equal};
use super::fixture::Fixture;
use super::images::{at, image, image_accessed, image_with_md5};

pub(super) fn a_hit_counts_and_moves_the_last_access(fixture: Fixture) -> Verdict {
    let record = image("read", 10);
    fixture.add(&record)?;
    fixture.hit("read", at(7))?;
    fixture.has(&record.with_hits(1).with_last_accessed(at(7)))
}

pub(super) fn hits_add_up_over_calls(fixture: Fixture) -> Verdict {
    fixture.add(&image("read", 10))?;
    for n in 1..=20 {
        fixture.hit("read", at(n))?;
        equal("hits", &fixture.hit_count("read")?, &n.unsigned_abs())?;
    }
    equal("the last access", &fixture.known("read")?.last_accessed, &at(20))
}

pub(super) fn a_batch_counts_every_image_of_it(fixture: Fixture) -> Verdict {
    let records = [image("a", 1), image("b", 2), image("c", 3)];
    fixture.add_all(&records)?;
    fixture.hits(&[("c", at(1)), ("a", at(2)), ("b", at(3))])?;
    for (record, seconds) in records.into_iter().zip([2, 3, 1]) {
        fixture.has(&record.with_hits(1).with_last_accessed(at(seconds)))?;
    }
    Ok(())
}

pub(super) fn two_hits_of_one_image_in_a_batch_count_twice(fixture: Fixture) -> Verdict {
    let (twice, once) = (image("twice", 1), image("once", 2));
    fixture.add_all([&twice, &once])?;
    fixture.hits(&[("twice", at(1)), ("once", at(2)), ("twice", at(3))])?;
    fixture.has(&twice.with_hits(2).with_last_accessed(at(3)))?;
    fixture.has(&once.with_hits(1).with_last_accessed(at(2)))
}

pub(super) fn a_hit_leaves_all_else_in_the_record_alone(fixture: Fixture) -> Verdict {
    let record = image_with_md5("whole", 12_345, 'd');
    fixture.add(&record)?;
    fixture.hit("whole", at(1))?;
    fixture.has(&record.with_hits(1).with_last_accessed(at(1)))
}

pub(super) fn a_hit_leaves_other_images_alone(fixture: Fixture) -> Verdict {
    let others = [image("image", 1), image("image-2", 2), image("other", 3)];
    fixture.add_all(&others)?;
    fixture.add(&image("image-1", 4))?;
    fixture.hits(&[("image-1", at(1)), ("image-1", at(2))])?;
    others.iter().try_for_each(|record| fixture.has(record))
}

pub(super) fn a_hit_of_an_unknown_image_is_passed_over(fixture: Fixture) -> Verdict {
    let known = image("known", 10);
    fixture.add(&known)?;
    fixture.hit("unknown", at(1))?;
    fixture.lacks("unknown")?;
    fixture.has(&known)?;
    // A file without a record, because it was not adopted yet.
    fixture.place(&image("stray", 10))?;
    fixture.hit("stray", at(2))?;
    fixture.lacks("stray")
}

pub(super) fn unknown_images_in_a_batch_do_not_stop_the_others(fixture: Fixture) -> Verdict {
    fixture.add_all(&[image("a", 1), image("b", 2)])?;
    fixture.hits(&[("no", at(1)), ("a", at(2)), ("no", at(3)), ("b", at(4)), ("none", at(5))])?;
    equal("hits of a", &fixture.hit_count("a")?, &1)?;
    equal("hits of b", &fixture.hit_count("b")?, &1)?;
    fixture.lacks("no")?;
    fixture.lacks("none")
}

pub(super) fn a_batch_of_no_hits_changes_nothing(fixture: Fixture) -> Verdict {
    let record = image("unread", 10);
    fixture.add(&record)?;
    fixture.hits(&[])?;
    fixture.has(&record)
}

pub(super) fn a_late_hit_counts_but_never_turns_the_last_access_back(fixture: Fixture) -> Verdict {
    let record = image_accessed("late", 10, 50);
    fixture.add(&record)?;
    fixture.hit("late", at(40))?;
    fixture.has(&record.clone().with_hits(1))?;
    fixture.hits(&[("late", at(60)), ("late", at(55))])?;
    fixture.has(&record.with_hits(3).with_last_accessed(at(60)))
}

pub(super) fn hits_go_on_from_what_a_record_came_with(fixture: Fixture) -> Verdict {
    fixture.add(&image("moved", 10).with_hits(41))?;
    fixture.hit("moved", at(1))?;
    equal("hits", &fixture.hit_count("moved")?, &42)
}

pub(super) fn a_thousand_hits_fit_in_one_batch(fixture: Fixture) -> Verdict {
    let names: Vec<String> = (0..10).map(|n| format!("image-{n}")).collect();
    for name in &names {
        fixture.add(&image(name, 10))?;
    }
    let hits: Vec<_> =
        names.iter().cycle().take(1000).zip(1..).map(|(name, n)| (name.as_str(), at(n))).collect();
    fixture.hits(&hits)?;
    for (name, last) in names.iter().zip(991..) {
        let found = fixture.known(name)?;
        equal(&format!("hits of {name}"), &found.hits, &100)?;
        equal(&format!("last access of {name}"), &found.last_accessed, &at(last))?;
    }
    Ok(())
}
