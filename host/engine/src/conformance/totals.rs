//! Images and bytes: the sums of the records, and how large a number may be.

use super::failure::{Failure, Verdict, equal, holds};
use super::fixture::Fixture;
use super::images::image;
use image_cache_model::{CacheSize, CachedImage};

/// The largest size that a double represents exactly together with all smaller ones.
const TWO_TO_THE_53: u64 = 1 << 53;

pub(super) fn images_and_bytes_are_summed(fixture: Fixture) -> Verdict {
    let mut expected = CacheSize::default();
    for (name, size) in [("one", 1), ("two", 4096), ("three", 1 << 33)] {
        fixture.add(&image(name, size))?;
        expected = CacheSize { images: expected.images + 1, bytes: expected.bytes + size };
        equal("images and bytes", &fixture.size()?, &expected)?;
    }
    Ok(())
}

pub(super) fn list_and_sums_agree(fixture: Fixture) -> Verdict {
    for n in 0..40 {
        fixture.add(&image(&format!("image-{n}"), n * n * 1000))?;
    }
    let names: Vec<String> = (0..40).step_by(3).map(|n| format!("image-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    fixture.remove(&names)?;
    let list = fixture.list()?;
    let bytes = list.iter().map(|image| image.size).sum();
    equal("images and bytes", &fixture.size()?, &CacheSize { images: list.len() as u64, bytes })?;
    equal("images", &list.len(), &26)
}

pub(super) fn a_replaced_record_is_counted_once(fixture: Fixture) -> Verdict {
    fixture.add(&image("grows", 10))?;
    fixture.add(&image("grows", 1000))?;
    equal("images and bytes", &fixture.size()?, &CacheSize { images: 1, bytes: 1000 })
}

pub(super) fn an_image_of_no_bytes_is_an_image(fixture: Fixture) -> Verdict {
    let record = image("empty", 0);
    fixture.add(&record)?;
    fixture.has(&record)?;
    equal("the list", &fixture.list()?, &vec![record])?;
    equal("images and bytes", &fixture.size()?, &CacheSize { images: 1, bytes: 0 })
}

/// One image at a time, because not every guest language has larger numbers for a sum. A driver may use the
/// size of the file, and not every file system supports files as large as the records' numbers: then the file's
/// size is also correct.
pub(super) fn sizes_up_to_2_to_the_53_are_exact(fixture: Fixture) -> Verdict {
    let sizes = [
        i32::MAX as u64,
        u64::from(u32::MAX),
        u64::from(u32::MAX) + 1,
        (1 << 43) + 7,
        TWO_TO_THE_53 - 1,
        TWO_TO_THE_53,
    ];
    for size in sizes {
        let record = image("large", size);
        let possible = place_largest(&fixture, &record)?;
        fixture.record(&record, None)?;
        let found = fixture.known("large")?.size;
        holds(found == size || found == possible, format!("a size of {size} bytes"), &found)?;
        equal("images and bytes", &fixture.size()?, &CacheSize { images: 1, bytes: found })?;
        equal(
            "victims",
            &fixture.victims(1, &[], 10)?.first().map(|victim| victim.size),
            &Some(found),
        )?;
    }
    Ok(())
}

/// Places a file of the record's size; halves the size until the file system accepts it.
fn place_largest(fixture: &Fixture, record: &CachedImage) -> Verdict<u64> {
    let mut size = record.size;
    while size > 0 {
        if fixture.place(&record.clone().with_size(size)).is_ok() {
            return Ok(size);
        }
        size /= 2;
    }
    Err(Failure::new(format!("a file for {}", record.image_id), "the file system accepts none"))
}
