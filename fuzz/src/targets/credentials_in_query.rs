//! Credentials in a query: ours finds every name that a second parser finds, and the id reveals nothing of the query.

use super::super::plain::credentials_in_query::KnownCredentials;

/// Some of the known names, and a configured one.
const NAMES: [&str; 4] = ["token", "sig", "x-amz-signature", "x-mine"];

/// The input is a request's target.
pub fn check(data: &[u8]) {
    let Ok(target) = std::str::from_utf8(data) else { return };
    let id = KnownCredentials::with(&["X-Mine".to_owned()]).id(target);
    if names(target).iter().any(|name| NAMES.contains(&&**name)) {
        assert!(id.is_some(), "{target:?} is shared");
    }
    let Some(id) = id else { return };
    assert!(target.contains('?'), "{target:?} has no query");
    let digest = id.strip_prefix('@').expect("it is a digest");
    assert!(digest.len() == 64 && digest.bytes().all(|digit| digit.is_ascii_hexdigit()), "{id}");
}

/// The names of the query's parameters, read byte by byte.
fn names(target: &str) -> Vec<String> {
    let mut bytes = target.bytes().skip_while(|byte| *byte != b'?').skip(1);
    let (mut names, mut name, mut is_name) = (Vec::new(), Vec::new(), true);
    while let Some(byte) = bytes.next() {
        match byte {
            b'&' | b';' => {
                names.push(std::mem::take(&mut name));
                is_name = true;
            }
            b'=' => is_name = false,
            b'%' if is_name => {
                let mut ahead = bytes.clone();
                let mut digit = || char::from(ahead.next()?).to_digit(16);
                match (digit(), digit()) {
                    (Some(high), Some(low)) => {
                        name.push((high * 16 + low) as u8);
                        bytes.nth(1);
                    }
                    _ => name.push(byte),
                }
            }
            byte if is_name => name.push(byte),
            _ => {}
        }
    }
    names.push(name);
    let text = |name: Vec<u8>| String::from_utf8(name).ok().map(|name| name.to_ascii_lowercase());
    names.into_iter().filter_map(text).collect()
}
