//! The checked identifier of an image, which is safe as a path component.

use crate::names::{self, RESERVED};
use std::fmt;

/// Longest image id in bytes: the longest file name of the supported file systems.
pub const MAX_IMAGE_ID_BYTES: usize = 255;

/// The suffixes that SQLite appends to a database's name for its side files.
const SIDE_FILES: [&str; 3] = ["-wal", "-shm", "-journal"];

/// An image's identifier: one path component of 1 to 255 bytes of UTF-8, without control characters and not a reserved name.
///
/// ```
/// use image_cache_model::ImageId;
/// let id: ImageId = "3b0ab1a8-1b8e-4b6f-a8c1-3d1a4b3e9c55".parse()?;
/// assert_eq!(id.as_str().len(), 36);
/// assert!("../etc/passwd".parse::<ImageId>().is_err());
/// # Ok::<(), image_cache_model::InvalidImageId>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageId(Box<str>);

/// Why a string is not an image id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{id:?} is no image id: {reason}")]
#[non_exhaustive]
pub struct InvalidImageId {
    /// The string, shortened to a printable length.
    pub id: String,
    /// The fault and what is accepted.
    pub reason: String,
}

impl ImageId {
    /// The identifier as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for ImageId {
    type Err = InvalidImageId;

    fn from_str(id: &str) -> Result<Self, InvalidImageId> {
        match fault(id) {
            None => Ok(ImageId(id.into())),
            Some(reason) => Err(InvalidImageId::new(id, reason)),
        }
    }
}

impl InvalidImageId {
    /// An error for this string; `reason` states the fault and what is accepted.
    pub fn new(id: &str, reason: impl Into<String>) -> Self {
        let mut shown: String = id.chars().take(80).collect();
        if shown.len() < id.len() {
            shown.push('…');
        }
        InvalidImageId { id: shown, reason: reason.into() }
    }
}

impl fmt::Display for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Whether `name` is `database` or one of the files that SQLite keeps beside it.
pub fn belongs_to_database(name: &str, database: &str) -> bool {
    name.strip_prefix(database).is_some_and(|rest| rest.is_empty() || SIDE_FILES.contains(&rest))
}

/// Whether a name in the base directory belongs to the cache or to Glance.
pub(crate) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name) || belongs_to_database(name, names::DATABASE)
}

fn fault(id: &str) -> Option<String> {
    if id.is_empty() {
        return Some("it is empty; give 1 to 255 bytes".into());
    }
    if id.len() > MAX_IMAGE_ID_BYTES {
        return Some(format!(
            "it has {} bytes; at most {MAX_IMAGE_ID_BYTES} are accepted",
            id.len()
        ));
    }
    if id.starts_with('.') {
        return Some("it starts with a dot".into());
    }
    if id.contains('/') {
        return Some("it contains '/'; an id is one path component".into());
    }
    if id.chars().any(char::is_control) {
        return Some("it contains a control character".into());
    }
    if is_reserved(id) {
        return Some("the name is kept for the cache's own use".into());
    }
    None
}
