//! Pages: ascending by the bytes of the ids, after an id, at most the limit, ended by an empty one.

use super::calls::names;
use super::failure::{Verdict, equal, holds};
use super::fixture::Fixture;
use super::images::image;

/// In the order of their bytes, which is not that of any language.
const SEVEN: [&str; 7] = ["A", "Z", "a", "a b", "a-b", "ab", "ä"];

fn with_seven(fixture: &Fixture) -> Verdict {
    // Not in their order, so that a driver that lists in the order of writing fails.
    for place in [3, 0, 6, 1, 5, 2, 4] {
        fixture.add(&image(SEVEN[place], 10))?;
    }
    Ok(())
}

pub(super) fn pages_ascend_by_the_bytes_of_the_ids(fixture: Fixture) -> Verdict {
    with_seven(&fixture)?;
    equal("the page", &fixture.page_ids(None, 7)?, &owned(&SEVEN))
}

pub(super) fn a_page_starts_behind_the_id_given(fixture: Fixture) -> Verdict {
    with_seven(&fixture)?;
    for (place, name) in SEVEN.iter().enumerate() {
        let page = fixture.page_ids(Some(name), 7)?;
        equal(&format!("the page behind {name}"), &page, &owned(&SEVEN[place + 1..]))?;
    }
    Ok(())
}

pub(super) fn a_page_may_start_behind_an_id_that_is_not_in_the_records(
    fixture: Fixture,
) -> Verdict {
    with_seven(&fixture)?;
    for (after, first) in
        [("0", 0), ("AA", 1), ("Zebra", 2), ("a ", 3), ("aa", 5), ("b", 6), ("ö", 7)]
    {
        let page = fixture.page_ids(Some(after), 7)?;
        equal(&format!("the page behind {after}"), &page, &owned(&SEVEN[first..]))?;
    }
    Ok(())
}

pub(super) fn pages_of_one_lead_through_the_records(fixture: Fixture) -> Verdict {
    with_seven(&fixture)?;
    equal("the list", &names(&fixture.list_in_pages_of(1)?), &owned(&SEVEN))
}

pub(super) fn a_page_holds_no_more_than_its_limit(fixture: Fixture) -> Verdict {
    with_seven(&fixture)?;
    for limit in 1..=7 {
        let page = fixture.page_ids(None, limit)?;
        holds(page.len() <= limit as usize, format!("at most {limit} images"), &page)?;
        equal("the start of the list", &page, &owned(&SEVEN[..page.len()]))?;
        holds(!page.is_empty(), "at least one image", &page)?;
        equal("the list", &names(&fixture.list_in_pages_of(limit)?), &owned(&SEVEN))?;
    }
    Ok(())
}

pub(super) fn a_limit_may_be_larger_than_the_records(fixture: Fixture) -> Verdict {
    with_seven(&fixture)?;
    for limit in [8, 1000, 10_000, u32::MAX] {
        equal("the list", &names(&fixture.list_in_pages_of(limit)?), &owned(&SEVEN))?;
    }
    Ok(())
}

pub(super) fn an_empty_page_ends_the_list(fixture: Fixture) -> Verdict {
    with_seven(&fixture)?;
    for (after, limit) in [("ä", 1), ("ä", 100), ("\u{10ffff}", 7)] {
        equal(
            &format!("the page behind {after}"),
            &fixture.page_ids(Some(after), limit)?,
            &Vec::new(),
        )?;
    }
    Ok(())
}

pub(super) fn two_lists_in_progress_do_not_disturb_each_other(fixture: Fixture) -> Verdict {
    with_seven(&fixture)?;
    equal("list 1, page 1", &fixture.page_ids(None, 2)?, &owned(&SEVEN[..2]))?;
    equal("list 2, page 1", &fixture.page_ids(None, 3)?, &owned(&SEVEN[..3]))?;
    equal("list 1, page 2", &fixture.page_ids(Some(SEVEN[1]), 2)?, &owned(&SEVEN[2..4]))?;
    equal("list 2, page 2", &fixture.page_ids(Some(SEVEN[2]), 3)?, &owned(&SEVEN[3..6]))?;
    equal("list 1, page 3", &fixture.page_ids(Some(SEVEN[3]), 2)?, &owned(&SEVEN[4..6]))?;
    equal("list 2, page 3", &fixture.page_ids(Some(SEVEN[5]), 3)?, &owned(&SEVEN[6..]))
}

pub(super) fn a_list_goes_on_where_its_last_image_was_forgotten(fixture: Fixture) -> Verdict {
    with_seven(&fixture)?;
    equal("page 1", &fixture.page_ids(None, 3)?, &owned(&SEVEN[..3]))?;
    // The last one of the page that was read, and one that follows later.
    fixture.remove(&[SEVEN[2], SEVEN[4]])?;
    let rest = names(&fixture.list()?);
    equal("the list anew", &rest, &owned(&["A", "Z", "a b", "ab", "ä"]))?;
    equal("page 2", &fixture.page_ids(Some(SEVEN[2]), 3)?, &owned(&["a b", "ab", "ä"]))
}

pub(super) fn more_than_a_thousand_records_are_listed_in_pages(fixture: Fixture) -> Verdict {
    let mut expected: Vec<String> =
        (0..1234).map(|n| format!("{:x}-image-{n}", n * 7919 % 256)).collect();
    for name in &expected {
        fixture.add(&image(name, 1))?;
    }
    expected.sort_unstable();
    for limit in [97, 1000] {
        let found = names(&fixture.list_in_pages_of(limit)?);
        equal(&format!("images in pages of {limit}"), &found.len(), &expected.len())?;
        let wrong = found.iter().zip(&expected).find(|(found, expected)| found != expected);
        equal("the first image out of place (found, expected)", &wrong, &None)?;
    }
    Ok(())
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
