//! Restarting: instances are disposable, the records are not.

use super::driver_under_test::names;
use super::failure::{Verdict, equal};
use super::fixture::Fixture;
use super::images::{at, image};
use image_cache_model::{CacheSize, CachedImage, Checksum, ChecksumAlgorithm};

pub(super) fn a_restart_keeps_every_record(fixture: Fixture) -> Verdict {
    let checksum = Checksum::new(ChecksumAlgorithm::Md5, "d41d8cd98f00b204e9800998ecf8427e").ok();
    let records = [
        CachedImage { hits: 12, ..image("a", 1) },
        CachedImage { checksum, ..image("b", 1 << 32) },
        image("c", 0),
        image("зображення", 7),
    ];
    fixture.driver.add_all(&records)?;
    let fixture = fixture.restart()?;
    equal("the list", &fixture.driver.list()?, &records.to_vec())?;
    let bytes = records.iter().map(|record| record.size).sum();
    equal("images and bytes", &fixture.driver.size()?, &CacheSize { images: 4, bytes })?;
    let fixture = fixture.restart()?;
    records.iter().try_for_each(|record| fixture.driver.has(record))
}

pub(super) fn hits_survive_a_restart(fixture: Fixture) -> Verdict {
    let record = image("read", 10);
    fixture.driver.add(&record)?;
    fixture.driver.hits(&[("read", at(1)), ("read", at(2))])?;
    let fixture = fixture.restart()?;
    fixture.driver.has(&CachedImage { hits: 2, last_accessed: at(2), ..record.clone() })?;
    fixture.driver.hit("read", at(3))?;
    let fixture = fixture.restart()?;
    fixture.driver.has(&CachedImage { hits: 3, last_accessed: at(3), ..record })
}

pub(super) fn what_was_forgotten_stays_forgotten_after_a_restart(fixture: Fixture) -> Verdict {
    fixture.driver.add_all(&[image("a", 1), image("b", 2), image("c", 3)])?;
    fixture.driver.remove(&["b"])?;
    let fixture = fixture.restart()?;
    fixture.driver.lacks("b")?;
    equal("the list", &names(&fixture.driver.list()?), &vec!["a".to_owned(), "c".to_owned()])
}

pub(super) fn empty_records_can_be_opened_again(fixture: Fixture) -> Verdict {
    let fixture = fixture.restart()?.restart()?;
    equal("images and bytes", &fixture.driver.size()?, &CacheSize::default())?;
    fixture.driver.add(&image("first", 10))?;
    fixture.driver.has(&image("first", 10))
}
