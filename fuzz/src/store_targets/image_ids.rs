//! Image ids: an id is accepted exactly if a second check, by the rules of paths, finds one safe file name.

use image_cache_model::{ImageId, MAX_IMAGE_ID_BYTES};
use std::ffi::OsStr;
use std::path::{Component, Path};

/// Names that the cache or Glance uses.
const RESERVED: [&str; 9] = [
    "incomplete",
    "invalid",
    "queue",
    "cache.db",
    "cache.db-wal",
    "cache.db-shm",
    "cache.db-journal",
    "image_cache_db_init",
    "checkme",
];

/// The input is an id.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match text.parse::<ImageId>() {
        Ok(id) => {
            assert!(is_safe(text), "{text:?} is accepted");
            assert_eq!(id.as_str(), text);
            let shown = id.to_string();
            assert_eq!(
                shown.parse::<ImageId>().as_ref(),
                Ok(&id),
                "it is another one when it is read"
            );
        }
        Err(error) => {
            assert!(!is_safe(text), "{text:?} is refused: {error}");
            assert!(error.to_string().len() < 2048, "{} bytes are shown", error.to_string().len());
        }
    }
}

/// Whether a file with this name is in the directory itself, is visible, and has no reserved name.
fn is_safe(text: &str) -> bool {
    let mut components = Path::new(text).components();
    let is_one = components.next() == Some(Component::Normal(OsStr::new(text)))
        && components.next().is_none();
    let is_printed = !text.chars().any(|c| matches!(c, '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}'));
    is_one
        && is_printed
        && text.len() <= MAX_IMAGE_ID_BYTES
        && text.as_bytes()[0] != b'.'
        && !RESERVED.contains(&text)
}
