//! Glance's record of an image.

use crate::os_hash::OsHash;
use crate::stored_response::StoredResponse;
use serde::Deserialize;

/// Glance's record of an image.
#[derive(Debug, Clone, Deserialize)]
pub struct Record {
    pub status: String,
    #[serde(default)]
    checksum: Option<String>,
    #[serde(default)]
    os_hash_algo: Option<String>,
    #[serde(default)]
    os_hash_value: Option<String>,
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
        let os_hash = match (self.os_hash(), &stored.os_hash) {
            (Some(hash), Some(stored)) => !hash.contradicts(stored),
            // An earlier version stored it without.
            _ => true,
        };
        size && checksum && os_hash
    }

    /// Glance's further hash of the image, if the cache can compute it.
    pub fn os_hash(&self) -> Option<OsHash> {
        OsHash::new(self.os_hash_algo.as_deref()?, self.os_hash_value.as_deref()?)
    }

    pub fn checksum(&self) -> Option<&str> {
        self.checksum.as_deref().filter(|checksum| !checksum.is_empty())
    }
}
