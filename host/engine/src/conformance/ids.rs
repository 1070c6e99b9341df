//! Ids: any UTF-8 string that is a valid file name identifies one image, and no other.

use super::calls::names;
use super::failure::{Verdict, equal};
use super::fixture::Fixture;
use super::images::{at, image};
use image_cache_model::CachedImage;

/// Uses images with these ids in every call, and checks that each call affects only its image.
fn kept_apart(fixture: &Fixture, ids: &[&str]) -> Verdict {
    let mut records: Vec<CachedImage> =
        ids.iter().zip(1..).map(|(id, size)| image(id, size)).collect();
    fixture.add_all(&records)?;
    records.sort_by(|a, b| a.image_id.as_str().cmp(b.image_id.as_str()));
    equal("the list", &fixture.list_in_pages_of(1)?, &records)?;
    for (record, seconds) in records.iter_mut().zip(1..) {
        fixture.hit(record.image_id.as_str(), at(seconds))?;
        *record = record.clone().with_hits(1).with_last_accessed(at(seconds));
    }
    equal("the list after a hit each", &fixture.list()?, &records)?;
    for record in &records {
        fixture.has(record)?;
        let page = fixture.page_ids(Some(record.image_id.as_str()), 1000)?;
        let behind: Vec<CachedImage> = records
            .iter()
            .filter(|other| other.image_id.as_str() > record.image_id.as_str())
            .cloned()
            .collect();
        equal(&format!("the page behind {}", record.image_id), &page, &names(&behind))?;
    }
    let all_but_first: Vec<String> = names(&records[1..]);
    let exclude: Vec<&str> = all_but_first.iter().map(String::as_str).collect();
    let first = names(&records[..1]);
    equal(
        "the victim that is not excluded",
        &fixture.victim_ids(u64::MAX, &exclude, 1000)?,
        &first,
    )?;
    while let Some(record) = records.pop() {
        fixture.remove(&[record.image_id.as_str()])?;
        equal(&format!("the list without {}", record.image_id), &fixture.list()?, &records)?;
    }
    Ok(())
}

pub(super) fn ids_of_all_scripts_are_kept_apart(fixture: Fixture) -> Verdict {
    // One é is a single character, the other is two.
    kept_apart(
        &fixture,
        &["образ", "画像", "صورة", "🦀", "é", "e\u{301}", "ß", "ss", "\u{10ffff}", "ﬁ", "fi"],
    )
}

pub(super) fn ids_of_one_and_of_255_bytes_are_kept(fixture: Fixture) -> Verdict {
    let long = "x".repeat(255);
    let other = format!("{}y", "x".repeat(254));
    let wide = format!("{}a", "é".repeat(127));
    kept_apart(&fixture, &["x", "0", &long, &other, &wide, &"x".repeat(254)])
}

pub(super) fn ids_with_spaces_and_quotes_are_kept(fixture: Fixture) -> Verdict {
    kept_apart(
        &fixture,
        &[
            " ", "  ", " a", "a ", "a b", "'", "''", "\"", "a\"b", "`a`", "it's", "\\", "\\'",
            "\u{a0}",
        ],
    )
}

pub(super) fn ids_that_look_like_sql_are_only_ids(fixture: Fixture) -> Verdict {
    kept_apart(
        &fixture,
        &[
            "'; DROP TABLE cached_images; --",
            "x' OR '1'='1",
            "a;b",
            "--",
            "?",
            "?1",
            ":id",
            "$1",
            "@a",
            "[a]",
            "NULL",
            "null",
        ],
    )
}

pub(super) fn ids_with_wildcards_mean_only_themselves(fixture: Fixture) -> Verdict {
    kept_apart(
        &fixture,
        &["%", "%%", "_", "__", "a%", "a_", "a*", "ab", "a?", "*", "[ab]", "a[b]", "^a", "a.b"],
    )
}

pub(super) fn letter_case_tells_ids_apart(fixture: Fixture) -> Verdict {
    kept_apart(&fixture, &["image", "Image", "IMAGE", "iMage", "ä", "Ä", "ı", "i"])
}

pub(super) fn ids_that_differ_in_their_last_byte_are_kept_apart(fixture: Fixture) -> Verdict {
    kept_apart(
        &fixture,
        &[
            "image", "image0", "image1", "image10", "imagf", "imag", "image-", "image~", "imageé",
            "imageè",
        ],
    )
}

pub(super) fn ids_that_look_like_numbers_stay_text(fixture: Fixture) -> Verdict {
    kept_apart(
        &fixture,
        &[
            "7",
            "07",
            "007",
            "7.0",
            "7e0",
            "0x7",
            "+7",
            "-7",
            "10",
            "9",
            "1e400",
            "nan",
            "9223372036854775808",
        ],
    )
}
