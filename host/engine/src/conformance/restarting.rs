//! Restarting: instances are disposable, the books are not.

use super::failure::{Verdict, equal};
use super::fixture::{Fixture, at, image};
use super::instance::names;
use image_cache_model::{CacheSize, CachedImage, Checksum, ChecksumAlgorithm};

pub(super) fn a_restart_keeps_every_record(subject: Fixture) -> Verdict {
    let checksum = Checksum::new(ChecksumAlgorithm::Md5, "d41d8cd98f00b204e9800998ecf8427e").ok();
    let records = [
        CachedImage { hits: 12, ..image("a", 1) },
        CachedImage { checksum, ..image("b", 1 << 32) },
        image("c", 0),
        image("зображення", 7),
    ];
    subject.books.add_all(&records)?;
    let subject = subject.restart()?;
    equal("the list", &subject.books.list()?, &records.to_vec())?;
    let bytes = records.iter().map(|record| record.size).sum();
    equal("images and bytes", &subject.books.size()?, &CacheSize { images: 4, bytes })?;
    let subject = subject.restart()?;
    records.iter().try_for_each(|record| subject.books.has(record))
}

pub(super) fn hits_survive_a_restart(subject: Fixture) -> Verdict {
    let record = image("read", 10);
    subject.books.add(&record)?;
    subject.books.hits(&[("read", at(1)), ("read", at(2))])?;
    let subject = subject.restart()?;
    subject.books.has(&CachedImage { hits: 2, last_accessed: at(2), ..record.clone() })?;
    subject.books.hit("read", at(3))?;
    let subject = subject.restart()?;
    subject.books.has(&CachedImage { hits: 3, last_accessed: at(3), ..record })
}

pub(super) fn what_was_forgotten_stays_forgotten_after_a_restart(subject: Fixture) -> Verdict {
    subject.books.add_all(&[image("a", 1), image("b", 2), image("c", 3)])?;
    subject.books.remove(&["b"])?;
    let subject = subject.restart()?;
    subject.books.lacks("b")?;
    equal("the list", &names(&subject.books.list()?), &vec!["a".to_owned(), "c".to_owned()])
}

pub(super) fn empty_books_can_be_opened_again(subject: Fixture) -> Verdict {
    let subject = subject.restart()?.restart()?;
    equal("images and bytes", &subject.books.size()?, &CacheSize::default())?;
    subject.books.add(&image("first", 10))?;
    subject.books.has(&image("first", 10))
}
