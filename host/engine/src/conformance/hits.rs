//! Hits: counted once each, and the last access with them.

use super::failure::{Verdict, equal};
use super::fixture::{Fixture, at, image, image_accessed};
use image_cache_model::CachedImage;

pub(super) fn a_hit_counts_and_moves_the_last_access(subject: Fixture) -> Verdict {
    let record = image("read", 10);
    subject.books.add(&record)?;
    subject.books.hit("read", at(7))?;
    subject.books.has(&CachedImage { hits: 1, last_accessed: at(7), ..record })
}

pub(super) fn hits_add_up_over_calls(subject: Fixture) -> Verdict {
    subject.books.add(&image("read", 10))?;
    for n in 1..=20 {
        subject.books.hit("read", at(n))?;
        equal("hits", &subject.books.hit_count("read")?, &n.unsigned_abs())?;
    }
    equal("the last access", &subject.books.known("read")?.last_accessed, &at(20))
}

pub(super) fn a_batch_counts_every_image_of_it(subject: Fixture) -> Verdict {
    let records = [image("a", 1), image("b", 2), image("c", 3)];
    subject.books.add_all(&records)?;
    subject.books.hits(&[("c", at(1)), ("a", at(2)), ("b", at(3))])?;
    for (record, seconds) in records.into_iter().zip([2, 3, 1]) {
        subject.books.has(&CachedImage { hits: 1, last_accessed: at(seconds), ..record })?;
    }
    Ok(())
}

pub(super) fn two_hits_of_one_image_in_a_batch_count_twice(subject: Fixture) -> Verdict {
    let (twice, once) = (image("twice", 1), image("once", 2));
    subject.books.add_all([&twice, &once])?;
    subject.books.hits(&[("twice", at(1)), ("once", at(2)), ("twice", at(3))])?;
    subject.books.has(&CachedImage { hits: 2, last_accessed: at(3), ..twice })?;
    subject.books.has(&CachedImage { hits: 1, last_accessed: at(2), ..once })
}

pub(super) fn a_hit_leaves_all_else_in_the_record_alone(subject: Fixture) -> Verdict {
    let checksum = "d41d8cd98f00b204e9800998ecf8427e";
    let checksum =
        image_cache_model::Checksum::new(image_cache_model::ChecksumAlgorithm::Md5, checksum).ok();
    let record = CachedImage { checksum, ..image("whole", 12_345) };
    subject.books.add(&record)?;
    subject.books.hit("whole", at(1))?;
    subject.books.has(&CachedImage { hits: 1, last_accessed: at(1), ..record })
}

pub(super) fn a_hit_leaves_other_images_alone(subject: Fixture) -> Verdict {
    let others = [image("image", 1), image("image-2", 2), image("other", 3)];
    subject.books.add_all(&others)?;
    subject.books.add(&image("image-1", 4))?;
    subject.books.hits(&[("image-1", at(1)), ("image-1", at(2))])?;
    others.iter().try_for_each(|record| subject.books.has(record))
}

pub(super) fn a_hit_of_an_unknown_image_is_passed_over(subject: Fixture) -> Verdict {
    let known = image("known", 10);
    subject.books.add(&known)?;
    subject.books.hit("unknown", at(1))?;
    subject.books.lacks("unknown")?;
    subject.books.has(&known)?;
    // A file that is not in the books, adopted by nobody yet.
    subject.books.place(&image("stray", 10))?;
    subject.books.hit("stray", at(2))?;
    subject.books.lacks("stray")
}

pub(super) fn unknown_images_in_a_batch_do_not_stop_the_others(subject: Fixture) -> Verdict {
    subject.books.add_all(&[image("a", 1), image("b", 2)])?;
    subject.books.hits(&[
        ("no", at(1)),
        ("a", at(2)),
        ("no", at(3)),
        ("b", at(4)),
        ("none", at(5)),
    ])?;
    equal("hits of a", &subject.books.hit_count("a")?, &1)?;
    equal("hits of b", &subject.books.hit_count("b")?, &1)?;
    subject.books.lacks("no")?;
    subject.books.lacks("none")
}

pub(super) fn a_batch_of_no_hits_changes_nothing(subject: Fixture) -> Verdict {
    let record = image("unread", 10);
    subject.books.add(&record)?;
    subject.books.hits(&[])?;
    subject.books.has(&record)
}

pub(super) fn a_late_hit_counts_but_never_turns_the_last_access_back(subject: Fixture) -> Verdict {
    let record = image_accessed("late", 10, 50);
    subject.books.add(&record)?;
    subject.books.hit("late", at(40))?;
    subject.books.has(&CachedImage { hits: 1, ..record.clone() })?;
    subject.books.hits(&[("late", at(60)), ("late", at(55))])?;
    subject.books.has(&CachedImage { hits: 3, last_accessed: at(60), ..record })
}

pub(super) fn hits_go_on_from_what_a_record_came_with(subject: Fixture) -> Verdict {
    subject.books.add(&CachedImage { hits: 41, ..image("moved", 10) })?;
    subject.books.hit("moved", at(1))?;
    equal("hits", &subject.books.hit_count("moved")?, &42)
}

pub(super) fn a_thousand_hits_fit_in_one_batch(subject: Fixture) -> Verdict {
    let names: Vec<String> = (0..10).map(|n| format!("image-{n}")).collect();
    for name in &names {
        subject.books.add(&image(name, 10))?;
    }
    let hits: Vec<_> =
        names.iter().cycle().take(1000).zip(1..).map(|(name, n)| (name.as_str(), at(n))).collect();
    subject.books.hits(&hits)?;
    for (name, last) in names.iter().zip(991..) {
        let found = subject.books.known(name)?;
        equal(&format!("hits of {name}"), &found.hits, &100)?;
        equal(&format!("last access of {name}"), &found.last_accessed, &at(last))?;
    }
    Ok(())
}
