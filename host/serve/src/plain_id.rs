//! The ids of the profile `plain`: derived from a request's path, so that no two paths have the same id.

use image_cache::{ImageId, MAX_IMAGE_ID_BYTES};
use percent_encoding::{
    AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode_byte, utf8_percent_encode,
};
use sha2::{Digest, Sha256};

/// The bytes that an id contains as `%` and two hexadecimal digits.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'/');

/// The id of a path with its query, below the upstream's URL; `None` for the root.
///
/// The path is used as the client sent it, without its first slash. Letters, digits and `-._` stay, a slash
/// becomes `+`, any other byte `%` and two hexadecimal digits. If the result is not a valid id (it begins with a dot, or is a
/// name that the cache reserves), its first byte is also escaped. A result that is too long for an id
/// becomes `@` and the SHA-256 of the path.
pub fn of_target(target: &str) -> Option<String> {
    let path = target.strip_prefix('/').filter(|path| !path.is_empty())?;
    let id = utf8_percent_encode(path, ESCAPED).to_string().replace('/', "+");
    if id.len() <= MAX_IMAGE_ID_BYTES && id.parse::<ImageId>().is_ok() {
        return Some(id);
    }
    let id = format!("{}{}", percent_encode_byte(id.as_bytes()[0]), &id[1..]);
    if id.len() <= MAX_IMAGE_ID_BYTES && id.parse::<ImageId>().is_ok() {
        return Some(id);
    }
    Some(hashed(target))
}

/// An id that does not reveal the path: `@` and the SHA-256 of the path without its first slash.
pub fn hashed(target: &str) -> String {
    format!("@{}", hex::encode(Sha256::digest(target.strip_prefix('/').unwrap_or(target))))
}

/// The path that has this id; `None` if there is none, or if it cannot be derived because the id is a digest.
pub fn target_of(id: &str) -> Option<String> {
    let path = id.replace('+', "/");
    let path = format!("/{}", percent_decode_str(&path).decode_utf8().ok()?);
    // An id with other escapes than these is invalid.
    (of_target(&path).as_deref() == Some(id)).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn a_path_becomes_a_readable_id() {
        let id = |target| of_target(target).expect("not the root");
        assert_eq!(id("/noble/current/noble.img"), "noble+current+noble.img");
        assert_eq!(id("/a b+c?x=1"), "a%20b%2Bc%3Fx%3D1");
        assert_eq!(id("/%61"), "%2561");
        assert_eq!(id("/../etc/passwd"), "%2E.+etc+passwd");
        assert_eq!(id("/cache.db"), "%63ache.db");
        assert_eq!(id("//"), "+");
        assert!(id(&format!("/{}", "a".repeat(300))).starts_with('@'));
        assert_eq!(of_target("/"), None);
        assert_eq!(
            target_of("noble+current+noble.img").as_deref(),
            Some("/noble/current/noble.img")
        );
        assert_eq!(target_of("a%20b%2Bc%3Fx%3D1").as_deref(), Some("/a b+c?x=1"));
        for none in ["a b", "%", "%4", "%zz", "%61", "@00"] {
            assert_eq!(target_of(none), None, "{none}");
        }
    }

    #[test]
    fn no_two_paths_have_the_same_id_and_every_id_is_valid() {
        let pieces = [
            "a", "/", "+", "%", "%2F", "%2f", ".", "..", "@", "?", "queue", "invalid", "cache.db",
            "%71ueue", "%2E", "ä", "A", ":",
        ];
        let mut paths = vec![String::new()];
        for _ in 0..3 {
            let longer = paths.iter().flat_map(|path| pieces.map(|piece| format!("{path}{piece}")));
            paths = paths.iter().cloned().chain(longer).collect();
        }
        paths.push("x".repeat(255));
        paths.push("x".repeat(256));
        paths.push("/".repeat(256));
        paths.sort();
        paths.dedup();
        let mut ids = HashMap::new();
        for path in paths.iter().filter(|path| !path.is_empty()) {
            let id = of_target(&format!("/{path}")).expect("not the root");
            assert!(id.parse::<ImageId>().is_ok(), "{path} became {id}");
            let back = target_of(&id).map_or(String::new(), |target| target[1..].to_owned());
            assert!(back == *path || id.starts_with('@'), "{path} became {id}, then {back}");
            assert_eq!(ids.insert(id.clone(), path), None, "{path} became {id}");
        }
    }
}
