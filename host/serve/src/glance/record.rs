//! Glance's record of an image.

use crate::stored_response::StoredResponse;
use serde::Deserialize;

/// Glance's record of an image.
#[derive(Debug, Clone, Deserialize)]
pub struct Record {
    pub status: String,
    #[serde(default)]
    checksum: Option<String>,
    #[serde(default)]
    pub size: Option<u64>,
}

impl Record {
    /// Whether the cached image is the one of this record.
    pub fn matches(&self, stored: &StoredResponse) -> bool {
        let size = self.size.is_none() || stored.size.is_none() || self.size == stored.size;
        let checksum = self.checksum().is_none_or(|checksum| {
            stored.md5.as_ref().is_some_and(|md5| md5.eq_ignore_ascii_case(checksum))
        });
        size && checksum
    }

    pub fn checksum(&self) -> Option<&str> {
        self.checksum.as_deref().filter(|checksum| !checksum.is_empty())
    }
}
