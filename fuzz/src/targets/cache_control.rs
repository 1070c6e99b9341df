//! Cache-Control: our parser is never more permissive than a second one, and equal if everything is well-formed.
//!
//! The second parser is deliberately different: it is independent of the first, joins the lines as RFC 9110, 5.3
//! allows, and marks the contents of quoted strings first.

use super::super::cache_control::CacheControl;
use hyper::header::{self, HeaderMap};

/// RFC 9111, 1.2.2.
const MOST: u128 = 1 << 31;

/// What a cache may do with a response.
#[derive(Debug, PartialEq, Eq)]
struct Permission {
    share: bool,
    /// Seconds for which it may be used without a revalidation; `None` if the response does not state it.
    fresh: Option<u128>,
    stale: bool,
}

pub fn check(data: &[u8]) {
    let headers = super::headers(data);
    let control = CacheControl::of(&headers);
    let fresh = control.lifetime().map(|time| u128::from(time.as_secs()));
    let ours = Permission {
        share: !control.forbids_sharing(),
        fresh: if control.no_cache { Some(0) } else { fresh },
        stale: !control.forbids_stale(),
    };
    let (theirs, is_well_formed) = second_reading(&headers);
    assert!(theirs.share || !ours.share, "ours shares it: {ours:?} {theirs:?}");
    let is_no_longer = match (ours.fresh, theirs.fresh) {
        (Some(ours), Some(theirs)) => ours <= theirs,
        (Some(ours), None) => ours == 0,
        // Without a stated lifetime, a heuristic might find one.
        (None, Some(theirs)) => theirs > 0,
        (None, None) => true,
    };
    assert!(is_no_longer, "ours is fresh for too long: {ours:?} {theirs:?}");
    assert!(theirs.stale || !ours.stale, "ours serves it stale: {ours:?} {theirs:?}");
    if is_well_formed {
        assert_eq!(ours, theirs, "it is well-formed, and needlessly revalidated");
    }
    if let Some(asked) = control.min_fresh {
        assert!(u128::from(asked.as_secs()) <= MOST, "no sum with it overflows");
    }
}

/// Also returns whether everything was well-formed.
fn second_reading(headers: &HeaderMap) -> (Permission, bool) {
    let lines: Vec<&[u8]> =
        headers.get_all(header::CACHE_CONTROL).iter().map(|line| line.as_bytes()).collect();
    if lines.is_empty() {
        return (of_pragma(headers), false);
    }
    let mut permission = Permission { share: true, fresh: None, stale: true };
    let (mut own, mut shared, mut revalidate) = (None, None, false);
    let mut is_well_formed = lines.iter().all(|line| are_quotes_closed(line));
    for element in split(&lines.join(&b", "[..])) {
        let text = String::from_utf8_lossy(&element).to_ascii_lowercase();
        let Some((name, value, is_strict)) = parsed(&text) else {
            is_well_formed = false;
            permission.share &= !text.contains("private") && !text.contains("no-store");
            revalidate = true;
            continue;
        };
        is_well_formed &= is_strict;
        let least = |known: &mut Option<u128>| {
            let said = value.as_deref().map_or(0, seconds);
            *known = Some(known.map_or(said, |known| known.min(said)));
        };
        match name {
            "private" | "no-store" => permission.share = false,
            "no-cache" => revalidate = true,
            "must-revalidate" | "proxy-revalidate" => permission.stale = false,
            "max-age" => least(&mut own),
            "s-maxage" => least(&mut shared),
            _ => {}
        }
    }
    permission.stale &= shared.is_none() && !revalidate;
    permission.fresh = if revalidate { Some(0) } else { shared.or(own) };
    (permission, is_well_formed)
}

fn of_pragma(headers: &HeaderMap) -> Permission {
    let lines: Vec<&[u8]> =
        headers.get_all(header::PRAGMA).iter().map(|line| line.as_bytes()).collect();
    let words = split(&lines.join(&b", "[..]));
    let forbids = words.iter().any(|word| word.eq_ignore_ascii_case(b"no-cache"));
    Permission { share: true, fresh: forbids.then_some(0), stale: !forbids }
}

fn are_quotes_closed(line: &[u8]) -> bool {
    let (mut is_open, mut is_escaped) = (false, false);
    for byte in line {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_open => is_escaped = true,
            b'"' => is_open = !is_open,
            _ => {}
        }
    }
    !is_open
}

/// The elements between commas outside of quoted strings; a quote without an end quotes nothing.
fn split(text: &[u8]) -> Vec<Vec<u8>> {
    let mut is_hidden = vec![false; text.len()];
    let (mut opened, mut is_escaped) = (None, false);
    for (at, byte) in text.iter().enumerate() {
        match (opened, byte) {
            (Some(_), _) if is_escaped => is_escaped = false,
            (Some(_), b'\\') => is_escaped = true,
            (Some(begin), b'"') => {
                is_hidden[begin..at].fill(true);
                opened = None;
            }
            (None, b'"') => opened = Some(at),
            _ => {}
        }
    }
    let mut elements = vec![Vec::new()];
    for (byte, is_hidden) in text.iter().zip(is_hidden) {
        if *byte == b',' && !is_hidden {
            elements.push(Vec::new());
        } else if let Some(element) = elements.last_mut() {
            element.push(*byte);
        }
    }
    let trimmed = elements.iter().map(|element| element.trim_ascii().to_vec());
    trimmed.filter(|element| !element.is_empty()).collect()
}

/// A directive's name and value, and whether it is `token [ "=" ( token / quoted-string ) ]`; `None` if it is malformed.
///
/// White space around the equals sign does not change the meaning, and an empty value does not change the name.
fn parsed(text: &str) -> Option<(&str, Option<String>, bool)> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name.trim_ascii_end(), Some(value.trim_ascii_start())),
        None => (text, None),
    };
    if !is_token(name) {
        return None;
    }
    let Some(value) = value else { return Some((name, None, true)) };
    let is_strict = text.len() == name.len() + 1 + value.len();
    if value.is_empty() || is_token(value) {
        return Some((name, Some(value.to_owned()), is_strict && !value.is_empty()));
    }
    let inner = value.strip_prefix('"')?.strip_suffix('"')?;
    let (mut plain, mut signs) = (String::new(), inner.chars());
    while let Some(sign) = signs.next() {
        match sign {
            '\\' => plain.push(signs.next()?),
            '"' => return None,
            sign => plain.push(sign),
        }
    }
    Some((name, Some(plain), is_strict))
}

fn is_token(text: &str) -> bool {
    let is_sign = |sign: char| sign.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(sign);
    !text.is_empty() && text.chars().all(is_sign)
}

/// A malformed number counts as 0.
fn seconds(text: &str) -> u128 {
    if !text.chars().all(|digit| digit.is_ascii_digit()) {
        return 0;
    }
    let digits = text.trim_start_matches('0');
    if digits.len() > 30 { MOST } else { digits.parse().unwrap_or(0).min(MOST) }
}
