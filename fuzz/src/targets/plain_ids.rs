//! Ids derived from a request's path: each is a valid image id, and identifies its path and no other.

use crate::plain_id::{of_target, target_of};

/// Length of an id that is a digest: `@` and a SHA-256 in hexadecimal.
const DIGEST_ID: usize = 65;

/// The input is used as a path and as an id.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(id) = of_target(text) {
        assert!(id.parse::<image_cache::ImageId>().is_ok(), "{text:?} became {id:?}");
        assert!(is_written_plainly(&id), "{text:?} became {id:?}");
        match target_of(&id) {
            Some(path) => assert_eq!(path, text, "by {id:?}"),
            None => assert!(id.starts_with('@') && id.len() == DIGEST_ID, "{text:?}: {id:?}"),
        }
    } else {
        assert!(!text.starts_with('/') || text == "/", "{text:?} has no id");
    }
    if let Some(path) = target_of(text) {
        assert_eq!(of_target(&path).as_deref(), Some(text), "by {path:?}");
    }
}

/// Every byte of an id is a letter, a digit or one of a few characters, so that it is safe in a file name, a URL and a log.
fn is_written_plainly(id: &str) -> bool {
    id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._+%@".contains(&byte))
}
