//! Ranges: a part is within the image and never empty, and equals the result of a simple parser for simple ranges.

use super::super::range::{Asked, Part};
use hyper::header;

/// Eight bytes for the image's size, then header lines.
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
        // A condition on an unknown image, or several fields, request the whole image.
        _ => assert_eq!(part, Part::All),
    }
}

/// RFC 9110, 14.1.1: one byte range without white space, with numbers whose sum does not overflow; `None` for
/// anything else.
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
