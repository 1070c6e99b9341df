//! Records: written, found, listed, replaced.

use super::failure::{Verdict, equal};
use super::fixture::Fixture;
use super::images::{at, checksum, image, image_accessed, image_with_md5};
use image_cache_model::{CacheSize, ChecksumAlgorithm};
use std::time::Duration;

pub(super) fn empty_records_hold_nothing(fixture: Fixture) -> Verdict {
    equal("the record of no-image", &fixture.get("no-image")?, &None)?;
    equal("the first page", &fixture.page(None, 10)?, &Vec::new())?;
    equal("a later page", &fixture.page(Some("no-image"), 10)?, &Vec::new())?;
    equal("images and bytes", &fixture.size()?, &CacheSize::default())
}

pub(super) fn an_unknown_image_has_no_record(fixture: Fixture) -> Verdict {
    fixture.add(&image("known", 10))?;
    for name in ["unknown", "know", "known1", "Known"] {
        fixture.lacks(name)?;
    }
    Ok(())
}

pub(super) fn a_record_is_found_as_it_was_written(fixture: Fixture) -> Verdict {
    let record = image_with_md5("debian-12", 70_000, 'a');
    fixture.add(&record)?;
    fixture.has(&record)
}

pub(super) fn a_record_is_listed_as_it_is_found(fixture: Fixture) -> Verdict {
    let records = [
        image("alpine", 1).with_hits(3),
        image_with_md5("bookworm", 2, 'b'),
        image_accessed("centos", 3, 99),
    ];
    fixture.add_all(&records)?;
    equal("the list", &fixture.list()?, &records.to_vec())?;
    records.iter().try_for_each(|record| fixture.has(record))
}

pub(super) fn a_record_may_come_with_hits(fixture: Fixture) -> Verdict {
    for hits in [1, 7, u64::from(u32::MAX) + 2] {
        let record = image("popular", 10).with_hits(hits);
        fixture.add(&record)?;
        fixture.has(&record)?;
    }
    Ok(())
}

pub(super) fn a_record_replaces_the_one_before(fixture: Fixture) -> Verdict {
    let before = image_with_md5("rolling", 10, 'c');
    fixture.add(&before)?;
    let after = before
        .with_size(25)
        .with_hits(4)
        .with_last_accessed(at(-30))
        .with_last_modified(at(-20))
        .with_checksum(Some(checksum(ChecksumAlgorithm::Md5, 'd')));
    fixture.add(&after)?;
    fixture.has(&after)?;
    equal("the list", &fixture.list()?, &vec![after])
}

pub(super) fn hits_are_replaced_with_the_record(fixture: Fixture) -> Verdict {
    let record = image("renewed", 10);
    fixture.add(&record)?;
    fixture.hits(&[("renewed", at(1)), ("renewed", at(2))])?;
    equal("hits before", &fixture.hit_count("renewed")?, &2)?;
    fixture.add(&record)?;
    fixture.has(&record)
}

pub(super) fn a_record_written_twice_is_one_record(fixture: Fixture) -> Verdict {
    let record = image_with_md5("same", 10, 'e').with_hits(2);
    fixture.add(&record)?;
    fixture.record(&record, None)?;
    equal("the list", &fixture.list()?, &vec![record])?;
    equal("images and bytes", &fixture.size()?, &CacheSize { images: 1, bytes: 10 })
}

pub(super) fn times_are_exact_to_the_microsecond(fixture: Fixture) -> Verdict {
    for micros in [0, 1, 2, 499_999, 500_000, 999_998, 999_999] {
        let fraction = Duration::from_micros(micros);
        let whole = Duration::from_nanos(123_457_000);
        let record = image(&format!("image-{micros}"), 10)
            .with_last_accessed(at(5) - whole + fraction)
            .with_last_modified(at(-5) - whole + fraction);
        fixture.add(&record)?;
        fixture.has(&record)?;
        let hit = at(6) - whole + fraction;
        fixture.hit(record.image_id.as_str(), hit)?;
        fixture.has(&record.with_hits(1).with_last_accessed(hit))?;
    }
    Ok(())
}

pub(super) fn every_kind_of_checksum_is_kept(fixture: Fixture) -> Verdict {
    for algorithm in [ChecksumAlgorithm::Md5, ChecksumAlgorithm::Sha256, ChecksumAlgorithm::Sha512]
    {
        let record =
            image(&format!("{algorithm:?}"), 10).with_checksum(Some(checksum(algorithm, '9')));
        fixture.add(&record)?;
        fixture.has(&record)?;
    }
    Ok(())
}

pub(super) fn a_record_without_a_checksum_has_none(fixture: Fixture) -> Verdict {
    fixture.add(&image_with_md5("with", 10, '1'))?;
    fixture.add(&image("without", 10))?;
    equal("the checksum", &fixture.known("without")?.checksum, &None)
}

pub(super) fn a_checksum_is_replaced_by_none_and_by_another(fixture: Fixture) -> Verdict {
    let bare = image("checked", 10);
    let [first, second, third] = ['2', '3', '4'].map(|digit| image_with_md5("checked", 10, digit));
    for record in [first, bare, second, third] {
        fixture.add(&record)?;
        fixture.has(&record)?;
    }
    Ok(())
}

pub(super) fn a_record_of_a_file_that_is_not_published_yet_is_found_afterwards(
    fixture: Fixture,
) -> Verdict {
    let record = image_with_md5("fresh", 4096, '5');
    let unpublished = fixture.unpublished(&record)?;
    fixture.record(&record, Some(&unpublished.file))?;
    unpublished.publish()?;
    fixture.has(&record)?;
    fixture.hit("fresh", at(9))?;
    fixture.has(&record.with_hits(1).with_last_accessed(at(9)))
}

pub(super) fn a_publication_that_failed_can_be_forgotten(fixture: Fixture) -> Verdict {
    let record = image("unlucky", 4096);
    let unpublished = fixture.unpublished(&record)?;
    fixture.record(&record, Some(&unpublished.file))?;
    unpublished.discard()?;
    fixture.forget(&["unlucky"])?;
    fixture.lacks("unlucky")?;
    equal("images and bytes", &fixture.size()?, &CacheSize::default())
}
