//! Which part of an image a request wants (RFC 9110, 14.1 and 13.1.5).

use super::stored_response::StoredResponse;
use hyper::{HeaderMap, header};
use std::ops::Range;

/// The part that a request wants, independent of the image's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// The whole image: there is no Range, or one that a server may ignore (other units, several parts).
    All,
    /// From the first byte to the second, both included; to the end if there is no second.
    From(u64, Option<u64>),
    /// The last bytes; how many.
    Last(u64),
    /// A byte range with an invalid syntax.
    Malformed,
}

/// The part of an image whose size is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    All,
    Some(Range<u64>),
    /// The request wants no byte that the image has: 416.
    Unsatisfiable,
}

impl Asked {
    /// The part that these headers request, of an image with this stored response. An If-Range that does not match it requests
    /// the whole image.
    pub fn of(headers: &HeaderMap, stored: Option<&StoredResponse>) -> Asked {
        let mut ranges = headers.get_all(header::RANGE).iter();
        let (Some(range), None) = (ranges.next(), ranges.next()) else { return Asked::All };
        let asked = range.to_str().map_or(Asked::Malformed, parse);
        let holds = |stored: &StoredResponse| {
            headers
                .get_all(header::IF_RANGE)
                .iter()
                .all(|known| stored.matches_if_range(known.as_bytes()))
        };
        match stored {
            Some(stored) if !holds(stored) => Asked::All,
            None if headers.contains_key(header::IF_RANGE) => Asked::All,
            _ => asked,
        }
    }

    /// Which bytes of `size` these are.
    pub fn part(self, size: u64) -> Part {
        let range = match self {
            Asked::All => return Part::All,
            Asked::Malformed => return Part::Unsatisfiable,
            Asked::From(first, last) => {
                first..last.map_or(size, |last| last.saturating_add(1)).min(size)
            }
            Asked::Last(count) => size.saturating_sub(count)..size,
        };
        if range.is_empty() { Part::Unsatisfiable } else { Part::Some(range) }
    }
}

fn parse(text: &str) -> Asked {
    let Some((unit, specs)) = text.split_once('=') else { return Asked::Malformed };
    if !unit.trim().eq_ignore_ascii_case("bytes") || specs.contains(',') {
        return Asked::All;
    }
    let Some((first, last)) = specs.trim().split_once('-') else { return Asked::Malformed };
    match (first.trim(), last.trim()) {
        ("", count) => number(count).map_or(Asked::Malformed, Asked::Last),
        (first, "") => number(first).map_or(Asked::Malformed, |first| Asked::From(first, None)),
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => Asked::From(first, Some(last)),
            _ => Asked::Malformed,
        },
    }
}

/// A number in digits; one that is too large counts as the maximum.
fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    fn part(range: &str, size: u64) -> Part {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_str(range).expect("a valid header"));
        Asked::of(&headers, None).part(size)
    }

    #[test]
    fn ranges_are_cut_to_the_image() {
        assert_eq!(part("bytes=0-0", 10), Part::Some(0..1));
        assert_eq!(part("bytes=2-", 10), Part::Some(2..10));
        assert_eq!(part("bytes=2-99", 10), Part::Some(2..10));
        assert_eq!(part("Bytes = 2-3", 10), Part::Some(2..4));
        assert_eq!(part("bytes=-3", 10), Part::Some(7..10));
        assert_eq!(part("bytes=-30", 10), Part::Some(0..10));
        assert_eq!(part("bytes=9-18446744073709551615", 10), Part::Some(9..10));
        assert_eq!(part("bytes=9-99999999999999999999999999", 10), Part::Some(9..10));
    }

    #[test]
    fn ranges_beyond_the_image_or_malformed_ones_are_refused() {
        for range in
            ["bytes=10-", "bytes=-0", "bytes=3-2", "bytes=-", "bytes=", "bytes", "bytes=a-b"]
        {
            assert_eq!(part(range, 10), Part::Unsatisfiable, "{range}");
        }
        for range in
            ["bytes=99999999999999999999999999-", "bytes=+1-2", "bytes=1--2", "bytes=0x1-2"]
        {
            assert_eq!(part(range, 10), Part::Unsatisfiable, "{range}");
        }
        assert_eq!(part("bytes=0-0", 0), Part::Unsatisfiable);
        assert_eq!(part("bytes=-1", 0), Part::Unsatisfiable);
    }

    #[test]
    fn several_parts_and_other_units_request_the_whole_image() {
        assert_eq!(part("bytes=0-0,5-6", 10), Part::All);
        assert_eq!(part("pages=1-2", 10), Part::All);
    }
}
