//! Whether a request's path stays below the upstream's base path, however a server interprets it.

use percent_encoding::percent_decode;
use std::borrow::Cow;

/// The maximum number of nested encodings that are decoded.
const MOST_DECODINGS: usize = 4;

/// Whether some server could resolve this path to a place outside of the base directory.
///
/// Servers differ: some decode `%2e`, some also `%2f`, some twice, some treat `\` as a slash, some drop the text after a `;`.
/// Some accept a dot or a slash in an overlong form of UTF-8 (`%c0%ae`), or as `%u002e`.
/// So a segment counts as one step down only if all interpretations agree, and each `..` in any interpretation counts as one
/// step up.
pub fn may_leave_base(path: &str) -> bool {
    let mut depth = 0_i64;
    for segment in path.split('/') {
        let decoded = decoded(segment);
        let ups = steps_up(&decoded);
        depth += i64::from(ups == 0 && is_step_down(&decoded)) - ups;
        if depth < 0 {
            return true;
        }
    }
    false
}

/// How many `..` a decoded segment contains.
fn steps_up(decoded: &[u8]) -> i64 {
    let ups = parts(decoded).filter(|part| *part == b"..").count();
    i64::try_from(ups).unwrap_or(i64::MAX)
}

/// Whether every server treats a segment as at least one step down: something remains of it in each interpretation.
fn is_step_down(decoded: &[u8]) -> bool {
    parts(decoded).any(|part| !part.is_empty() && part != b".")
}

fn parts(decoded: &[u8]) -> impl Iterator<Item = &[u8]> {
    decoded.split(|byte| b"/\\".contains(byte)).map(without_parameters)
}

fn without_parameters(segment: &[u8]) -> &[u8] {
    segment.split(|byte| *byte == b';').next().unwrap_or_default()
}

/// Other forms of a dot, a slash and a backslash: the overlong ones of UTF-8, and those of IIS (case does not matter).
const OTHER_FORMS: [(&[u8], u8); 12] = [
    (b"\xc0\xae", b'.'),
    (b"\xe0\x80\xae", b'.'),
    (b"\xf0\x80\x80\xae", b'.'),
    (b"%u002e", b'.'),
    (b"\xc0\xaf", b'/'),
    (b"\xe0\x80\xaf", b'/'),
    (b"\xf0\x80\x80\xaf", b'/'),
    (b"%u002f", b'/'),
    (b"\xc1\x9c", b'\\'),
    (b"\xe0\x81\x9c", b'\\'),
    (b"\xf0\x80\x81\x9c", b'\\'),
    (b"%u005c", b'\\'),
];

/// Replaces the other forms.
fn usual_forms(text: &[u8]) -> Vec<u8> {
    let (mut usual, mut rest) = (Vec::with_capacity(text.len()), text);
    while let Some((first, after)) = rest.split_first() {
        let starts = |form: &[u8]| {
            rest.get(..form.len()).is_some_and(|start| start.eq_ignore_ascii_case(form))
        };
        match OTHER_FORMS.iter().find(|(form, _)| starts(form)) {
            Some((form, byte)) => {
                usual.push(*byte);
                rest = &rest[form.len()..];
            }
            None => {
                usual.push(*first);
                rest = after;
            }
        }
    }
    usual
}

fn decoded(segment: &str) -> Cow<'_, [u8]> {
    let mut decoded: Cow<'_, [u8]> = segment.as_bytes().into();
    for _ in 0..MOST_DECODINGS {
        let once: Vec<u8> = usual_forms(&percent_decode(&decoded).collect::<Vec<u8>>());
        if once == *decoded {
            break;
        }
        decoded = once.into();
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_some_server_resolves_to_one_outside_is_detected() {
        for path in [
            "/../private",
            "/%2e%2e/private",
            "/%2E./private",
            "/a/../../private",
            "/a/./../../private",
            "/..%2fprivate",
            "/a/..%2f..%2fprivate",
            "/%252e%252e/private",
            "/..;/private",
            "/..;x=1/private",
            "/..\\private",
            "/a//../../private",
            "/a%2fb/%2e%2e/%2e%2e/private",
            "/..",
            "/%2f/../private",
            "/;/../private",
            "/;x=1/../private",
            "/.%2f/../private",
            "/%5c/../private",
            "/%c0%ae%c0%ae/private",
            "/%C0%AE./private",
            "/%e0%80%ae%e0%80%ae/private",
            "/%u002e%u002E/private",
            "/..%c0%afprivate",
            "/..%u005cprivate",
            "/..%c1%9cprivate",
            "/%25c0%25ae%25c0%25ae/private",
        ] {
            assert!(may_leave_base(path), "{path}");
        }
    }

    #[test]
    fn a_path_that_stays_below_is_accepted() {
        for path in [
            "/",
            "/a",
            "/a/../b",
            "/a/b/../../c",
            "/...",
            "/..a/b",
            "/a..b",
            "/a/%2e/b",
            "//a",
            "/%zz",
            "/caf%c3%a9/%c0",
            "/%u00e9",
        ] {
            assert!(!may_leave_base(path), "{path}");
        }
    }
}
