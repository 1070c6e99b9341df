//! The responses of images in flight, on disk: each belongs to the file that its fetch fills, and to no other file.
//!
//! With them, another service on the same directory knows the response of the image that it shares, and a service that is
//! killed just after it published an image loses nothing.

use super::ResponseStore;
use crate::stored_response::{StoredResponse, Timestamp};
use image_cache::{FileIdentity, ImageCache};
use serde::{Deserialize, Serialize};
use std::io;

/// Identifies a file, and distinguishes it from a later one in its place. A rename does not change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct StoredIdentity {
    device: u64,
    inode: u64,
    born: Timestamp,
}

#[derive(Debug, Serialize, Deserialize)]
struct InFlightResponse {
    #[serde(rename = "of")]
    file: StoredIdentity,
    #[serde(rename = "label")]
    stored: StoredResponse,
}

impl ResponseStore {
    /// Saves the response of the file that is being filled. Saves nothing if the file system has no birth times.
    pub(super) fn save_in_flight(&self, id: &str, stored: &StoredResponse) {
        let Ok(Some(file)) = self.cache.incomplete_identity(id) else { return };
        let response = InFlightResponse { file: file.into(), stored: stored.clone() };
        if let Err(error) = self.in_flight_files.save(id, &response) {
            tracing::debug!(image = %id, %error, "the response is not stored yet");
        }
    }

    /// The response of the file that is being filled, by this or by another service.
    pub(super) fn of_incomplete_file(&self, id: &str) -> io::Result<Option<StoredResponse>> {
        self.of_file(id, ImageCache::incomplete_identity)
    }

    /// The response of the cached file.
    pub(super) fn of_cached_file(&self, id: &str) -> io::Result<Option<StoredResponse>> {
        self.of_file(id, ImageCache::cached_identity)
    }

    fn of_file(
        &self,
        id: &str,
        identity: fn(&ImageCache, &str) -> image_cache::Result<Option<FileIdentity>>,
    ) -> io::Result<Option<StoredResponse>> {
        let Some(found) = self.in_flight_files.load::<InFlightResponse>(id)? else {
            return Ok(None);
        };
        let file = identity(&self.cache, id).ok().flatten().map(StoredIdentity::from);
        Ok((file == Some(found.file)).then_some(found.stored))
    }

    /// Removes the responses of files that no longer exist.
    pub(super) fn sweep_in_flight(&self) -> io::Result<()> {
        for id in self.in_flight_files.ids()? {
            // A response that cannot be read now may still be needed.
            if let (Ok(None), Ok(None)) = (self.of_incomplete_file(&id), self.of_cached_file(&id)) {
                self.in_flight_files.remove(&id);
            }
        }
        Ok(())
    }
}

impl From<FileIdentity> for StoredIdentity {
    fn from(found: FileIdentity) -> StoredIdentity {
        StoredIdentity { device: found.device, inode: found.inode, born: found.born.into() }
    }
}
