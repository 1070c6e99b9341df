//! Ranges: a part lies in the image and is never empty, and a range that a plain reading understands is that one.

use super::super::range::{Asked, Part};
use hyper::header;

/// Eight bytes of the image's size, then header lines.
pub fn check(data: &[u8]) {
    let Some((size, lines)) = data.split_first_chunk::<8>() else { return };
    let (size, headers) = (u64::from_le_bytes(*size), super::headers(lines));
    let part = Asked::of(&headers, None).part(size);
    if let Part::Some(range) = &part {
        assert!(range.start < range.end && range.end <= size, "{range:?} of {size}");
    }
    let mut ranges = headers.get_all(header::RANGE).iter();
    match (ranges.next(), ranges.next()) {
        (Some(range), None) if !headers.contains_key(header::IF_RANGE) => {
            if let Some(plain) = range.to_str().ok().and_then(|range| plain(range, size)) {
                assert_eq!(part, plain, "{range:?} of {size}");
            }
        }
        // A condition on an image that is not known, and several fields, ask for all.
        _ => assert_eq!(part, Part::All),
    }
}

/// RFC 9110, 14.1.1: one range of bytes without any white space, in numbers that can be added; nothing if it is
/// something else.
fn plain(range: &str, size: u64) -> Option<Part> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let number = |digits: &str| {
        let is_short = (1..=30).contains(&digits.len());
        let is_number = is_short && digits.bytes().all(|digit| digit.is_ascii_digit());
        if is_number { digits.parse::<u128>().ok() } else { None }
    };
    let size = u128::from(size);
    let (start, end) = match (first, last) {
        ("", count) => (size - number(count)?.min(size), size),
        (first, "") => (number(first)?, size),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return Some(Part::Unsatisfiable);
            }
            (first, (last + 1).min(size))
        }
    };
    if start >= end {
        return Some(Part::Unsatisfiable);
    }
    Some(Part::Some(u64::try_from(start).ok()?..u64::try_from(end).ok()?))
}
