//! Restarting: instances are disposable, the records persist.

use super::calls::names;
use super::failure::{Verdict, equal};
use super::fixture::Fixture;
use super::images::{at, image, image_with_md5};
use image_cache_model::CacheSize;

pub(super) fn a_restart_keeps_every_record(fixture: Fixture) -> Verdict {
    let records = [
        image("a", 1).with_hits(12),
        image_with_md5("b", 1 << 32, 'b'),
        image("c", 0),
        image("зображення", 7),
    ];
    fixture.add_all(&records)?;
    let fixture = fixture.restart()?;
    equal("the list", &fixture.list()?, &records.to_vec())?;
    let bytes = records.iter().map(|record| record.size).sum();
    equal("images and bytes", &fixture.size()?, &CacheSize { images: 4, bytes })?;
    let fixture = fixture.restart()?;
    records.iter().try_for_each(|record| fixture.has(record))
}

pub(super) fn hits_survive_a_restart(fixture: Fixture) -> Verdict {
    let record = image("read", 10);
    fixture.add(&record)?;
    fixture.hits(&[("read", at(1)), ("read", at(2))])?;
    let fixture = fixture.restart()?;
    fixture.has(&record.clone().with_hits(2).with_last_accessed(at(2)))?;
    fixture.hit("read", at(3))?;
    let fixture = fixture.restart()?;
    fixture.has(&record.with_hits(3).with_last_accessed(at(3)))
}

pub(super) fn what_was_forgotten_stays_forgotten_after_a_restart(fixture: Fixture) -> Verdict {
    fixture.add_all(&[image("a", 1), image("b", 2), image("c", 3)])?;
    fixture.remove(&["b"])?;
    let fixture = fixture.restart()?;
    fixture.lacks("b")?;
    equal("the list", &names(&fixture.list()?), &vec!["a".to_owned(), "c".to_owned()])
}

pub(super) fn empty_records_can_be_opened_again(fixture: Fixture) -> Verdict {
    let fixture = fixture.restart()?.restart()?;
    equal("images and bytes", &fixture.size()?, &CacheSize::default())?;
    fixture.add(&image("first", 10))?;
    fixture.has(&image("first", 10))
}
