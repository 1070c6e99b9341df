//! The parser for Cache-Control that the whole service uses (RFC 9111, 5.2, and 4.2.1 for malformed fields).
//!
//! Malformed input makes a response less shareable, never more: a malformed number counts as the strictest number, a
//! malformed directive forbids sharing without revalidation, and of two values the stricter one counts. We do not use a crate
//! because the known ones drop the whole field if one directive is malformed, or compare names by case.

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use std::borrow::Cow;
use std::time::Duration;

/// RFC 9111, 1.2.2: larger values count as this many seconds, so that sums never overflow.
pub const MOST_SECONDS: u64 = 1 << 31;

/// The directives of all lines of Cache-Control.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CacheControl {
    /// Nothing may be stored.
    pub no_store: bool,
    /// For one user only; also if only some fields are private (`private="Set-Cookie"`).
    pub private: bool,
    /// Must not be used without revalidation; also if this applies only to some fields.
    pub no_cache: bool,
    /// Must not be served stale.
    pub must_revalidate: bool,
    /// The same, for shared caches.
    pub proxy_revalidate: bool,
    /// The client wants only a response that needs no request to the upstream.
    pub only_if_cached: bool,
    pub max_age: Option<Duration>,
    pub s_maxage: Option<Duration>,
    pub min_fresh: Option<Duration>,
}

/// A directive's value, if it has one.
type Value<'a> = Option<Cow<'a, [u8]>>;

impl CacheControl {
    /// The directives of a response or a request; `Pragma: no-cache` counts if there is no Cache-Control (RFC 9111, 5.4).
    pub fn of(headers: &HeaderMap) -> CacheControl {
        let mut control = CacheControl::default();
        if headers.contains_key(header::CACHE_CONTROL) {
            each_element(headers, &header::CACHE_CONTROL, |element| control.add(element));
        } else {
            each_element(headers, &header::PRAGMA, |element| {
                control.no_cache |= element.eq_ignore_ascii_case(b"no-cache");
            });
        }
        control
    }

    /// Whether a response must not be served to other clients than the one that requested it, even if it is fresh.
    pub fn forbids_sharing(&self) -> bool {
        self.no_store || self.private
    }

    /// Whether a response must not be used when it is stale, even if an operator allows that.
    pub fn forbids_stale(&self) -> bool {
        self.no_cache || self.must_revalidate || self.proxy_revalidate || self.s_maxage.is_some()
    }

    /// How long a response is fresh in a shared cache, according to its directives.
    pub fn lifetime(&self) -> Option<Duration> {
        self.s_maxage.or(self.max_age)
    }

    fn add(&mut self, element: &[u8]) {
        let Some((name, value)) = directive(element) else { return self.add_malformed(element) };
        match name.to_ascii_lowercase().as_slice() {
            b"no-store" => self.no_store = true,
            b"private" => self.private = true,
            b"no-cache" => self.no_cache = true,
            b"must-revalidate" => self.must_revalidate = true,
            b"proxy-revalidate" => self.proxy_revalidate = true,
            b"only-if-cached" => self.only_if_cached = true,
            b"max-age" => shortest(&mut self.max_age, &value),
            b"s-maxage" => shortest(&mut self.s_maxage, &value),
            b"min-fresh" => {
                let asked = seconds(&value).unwrap_or(Duration::from_secs(MOST_SECONDS));
                self.min_fresh = Some(self.min_fresh.map_or(asked, |other| other.max(asked)));
            }
            // Unknown directives are ignored (RFC 9111, 5.2.3).
            _ => {}
        }
    }

    /// A malformed directive counts as each directive whose name its text contains, with the strictest value.
    fn add_malformed(&mut self, element: &[u8]) {
        let text = element.to_ascii_lowercase();
        let names = |word: &[u8]| text.windows(word.len()).any(|window| window == word);
        self.no_store |= names(b"no-store");
        self.private |= names(b"private");
        self.no_cache = true;
        for (name, age) in [(&b"max-age"[..], &mut self.max_age), (b"s-maxage", &mut self.s_maxage)]
        {
            if names(name) {
                *age = Some(Duration::ZERO);
            }
        }
        if names(b"min-fresh") {
            self.min_fresh = Some(Duration::from_secs(MOST_SECONDS));
        }
    }
}

/// Every element of all lines of a field.
///
/// A proxy may join lines (RFC 9110, 5.3). If a quoted string then begins in one line and ends in another, the joined line has
/// other elements than the separate lines: both interpretations count.
fn each_element(headers: &HeaderMap, name: &HeaderName, mut take: impl FnMut(&[u8])) {
    let lines: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
    for line in &lines {
        elements(line).for_each(&mut take);
    }
    if lines.len() > 1 {
        elements(&lines.join(&b", "[..])).for_each(&mut take);
    }
}

/// The shorter of two values counts; a malformed one counts as the shortest.
fn shortest(known: &mut Option<Duration>, value: &Value<'_>) {
    let said = seconds(value).unwrap_or(Duration::ZERO);
    *known = Some(known.map_or(said, |known| known.min(said)));
}

/// Whole seconds in digits only; a number that is too large counts as the maximum.
fn seconds(value: &Value<'_>) -> Option<Duration> {
    delta_seconds(value.as_deref()?).map(Duration::from_secs)
}

/// The number of seconds in a text of digits (RFC 9111, 1.2.2); `None` if the text is not a number.
pub fn delta_seconds(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = text.iter().fold(0_u64, |number, digit| {
        number.saturating_mul(10).saturating_add(u64::from(digit - b'0'))
    });
    Some(number.min(MOST_SECONDS))
}

/// The elements of a list without empty ones (RFC 9110, 5.6.1). A comma in a quoted string separates no elements, unless the
/// string has no end: then it is unknown what was quoted.
pub fn elements(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(line);
    let mut has_open_end = false;
    std::iter::from_fn(move || {
        loop {
            let all = rest?;
            let end = end_of_element(all, &mut has_open_end);
            rest = all.get(end + 1..);
            let element = all[..end].trim_ascii();
            if !element.is_empty() {
                return Some(element);
            }
        }
    })
}

/// Where the first element of a list ends. After a quoted string without an end, no quoted string has an end, so the function
/// checks this once and not at each quote.
fn end_of_element(list: &[u8], has_open_end: &mut bool) -> usize {
    let mut at = 0;
    while let Some(&byte) = list.get(at) {
        match byte {
            b',' => return at,
            b'"' if !*has_open_end => {
                let length = quoted_length(&list[at..]);
                *has_open_end = length.is_none();
                at += length.unwrap_or(1);
            }
            _ => at += 1,
        }
    }
    list.len()
}

/// The length of the quoted string at the start of a text, with its quotes; `None` if it has no end.
fn quoted_length(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        match text.get(at)? {
            b'\\' => at += 2,
            b'"' => return Some(at + 1),
            _ => at += 1,
        }
    }
}

/// A directive's name and value; `None` if it is malformed. White space around the equals sign is accepted.
fn directive(element: &[u8]) -> Option<(&[u8], Value<'_>)> {
    let length = element.iter().take_while(|byte| is_token(**byte)).count();
    let (name, rest) = element.split_at(length);
    if name.is_empty() {
        return None;
    }
    let rest = rest.trim_ascii_start();
    if rest.is_empty() {
        return Some((name, None));
    }
    let value = rest.strip_prefix(b"=")?.trim_ascii_start();
    if value.first() == Some(&b'"') {
        // Nothing may follow the quoted string.
        let is_whole = quoted_length(value) == Some(value.len());
        return is_whole.then(|| (name, Some(unquoted(&value[1..value.len() - 1]).into())));
    }
    // Any other value is malformed: it may hide directives, as in `x=1;private`. An empty value hides none, and the code that
    // needs the value checks it.
    value.iter().copied().all(is_token).then_some((name, Some(value.into())))
}

fn unquoted(text: &[u8]) -> Vec<u8> {
    let mut is_escaped = false;
    let mut is_kept = |byte: &u8| {
        is_escaped = *byte == b'\\' && !is_escaped;
        !is_escaped
    };
    text.iter().copied().filter(|byte| is_kept(byte)).collect()
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(lines: &[&str]) -> CacheControl {
        let mut headers = HeaderMap::new();
        for line in lines {
            let value = HeaderValue::from_str(line).expect("a valid value");
            headers.append(header::CACHE_CONTROL, value);
        }
        CacheControl::of(&headers)
    }

    #[test]
    fn names_have_no_case_and_all_lines_count() {
        assert!(control(&["Private, max-age=60"]).private);
        assert!(control(&["max-age=60 , PRIVATE ,"]).private);
        assert!(control(&["No-Store"]).no_store);
        assert!(control(&["max-age=60", "NO-CACHE"]).no_cache);
        assert!(control(&["max-age=60,,no-store"]).no_store);
        let both = control(&["max-age=60", "s-maxage=0"]);
        assert_eq!(both.lifetime(), Some(Duration::ZERO));
    }

    #[test]
    fn a_quoted_string_contains_no_directives_unless_it_has_no_end() {
        let hidden = control(&["MAX-AGE=60, unknown=\"a, private\""]);
        assert_eq!((hidden.private, hidden.max_age), (false, Some(Duration::from_secs(60))));
        let escaped = control(&["unknown=\"a\\\", private\", max-age=\"60\""]);
        assert_eq!((escaped.private, escaped.max_age), (false, Some(Duration::from_secs(60))));
        assert!(control(&["unknown=\"a, private"]).private);
        assert!(control(&["unknown=\"a", "private"]).private);
        assert!(control(&["private=\"Set-Cookie, X-A\", max-age=60"]).private);
        assert!(control(&["no-cache=\"Set-Cookie\""]).no_cache);
        let joined = ["x=\"", "min-fresh=\", private, y\"", "max-age=60"];
        assert!(control(&joined).private, "a proxy may join lines");
    }

    #[test]
    fn malformed_values_count_as_the_strictest_possible_ones() {
        let malformed = control(&["private, max-age=abc"]);
        assert_eq!((malformed.private, malformed.max_age), (true, Some(Duration::ZERO)));
        for line in
            ["max-age=-1", "max-age=1.5", "max-age=", "max-age", "max-age=60s", "max-age=60;x"]
        {
            assert_eq!(control(&[line]).max_age, Some(Duration::ZERO), "{line}");
        }
        assert_eq!(control(&["max-age=60, max-age=5"]).max_age, Some(Duration::from_secs(5)));
        assert!(control(&["max-age=60, \"private\""]).private);
        assert!(control(&["public; private, max-age=60"]).private);
        assert!(control(&["no-store foo"]).no_store);
        for line in ["max-age=60, x=1;private", "max-age=60;private", "max-age=60, x=/private/"] {
            assert!(control(&[line]).private, "{line}");
        }
        assert!(control(&["max-age=60,x=1;no-store"]).no_store);
        assert!(control(&["max-age=60, =x"]).no_cache);
        assert_eq!(control(&["min-fresh=a"]).min_fresh, Some(Duration::from_secs(MOST_SECONDS)));
    }

    #[test]
    fn too_large_numbers_of_seconds_count_as_the_maximum() {
        let most = Some(Duration::from_secs(MOST_SECONDS));
        assert_eq!(control(&["max-age=99999999999999999999999999"]).max_age, most);
        assert_eq!(control(&["min-fresh=18446744073709551615"]).min_fresh, most);
    }

    #[test]
    fn pragma_counts_if_there_is_no_cache_control() {
        let said = |headers: &[(HeaderName, &'static str)]| {
            let value = |(name, value): &(HeaderName, &'static str)| {
                (name.clone(), HeaderValue::from_static(value))
            };
            CacheControl::of(&headers.iter().map(value).collect()).no_cache
        };
        assert!(said(&[(header::PRAGMA, "x, No-Cache")]));
        assert!(!said(&[(header::PRAGMA, "no-cache"), (header::CACHE_CONTROL, "max-age=60")]));
    }
}
