//! Responses that must not be used any more, or not before they are revalidated.

use super::ResponseStore;
use crate::stored_response::StoredResponse;
use std::io;
use std::sync::Arc;

impl ResponseStore {
    /// Removes the response of an image that must not be served any more. If a fetch of the image runs, its image is
    /// deleted when the fetch has ended.
    pub fn discard(&self, id: &str) {
        if let Some(fetch) = self.table().fetches.get_mut(id) {
            fetch.is_discarded = true;
            return;
        }
        self.remove(id);
    }

    /// Whether a running fetch was discarded.
    pub fn is_discarded(&self, id: &str) -> bool {
        self.table().fetches.get(id).is_some_and(|fetch| fetch.is_discarded)
    }

    /// Requires that an image, cached or in flight, is revalidated before its next use.
    pub fn invalidate(&self, id: &str) {
        // This is first, because a request that does not see the mark yet sees this.
        self.invalidations.add(id);
        self.mark_invalid(id);
    }

    pub(super) fn mark_invalid(&self, id: &str) {
        let in_memory = {
            let mut table = self.table();
            if let Some(fetch) = table.fetches.get_mut(id) {
                Arc::make_mut(&mut fetch.stored).is_invalid = true;
            }
            table.cached.get(id).map(|stored| StoredResponse::clone(stored))
        };
        let stored = match in_memory {
            Some(stored) => Ok(Some(stored)),
            None => self.files.load::<StoredResponse>(id),
        };
        match stored {
            Ok(Some(mut stored)) => {
                stored.is_invalid = true;
                self.store(id, stored);
            }
            Ok(None) => {}
            // An image without a stored response is not served.
            Err(_) => self.files.remove(id),
        }
    }

    pub(super) fn remove(&self, id: &str) {
        self.table().remove(id);
        self.in_flight_files.remove(id);
        self.files.remove(id);
    }

    /// Removes the responses of images that are not cached any more.
    pub fn sweep(&self) -> io::Result<()> {
        for id in self.files.ids()? {
            // If the cache cannot tell, the response stays.
            let is_needed =
                self.cache.is_cached(&id).unwrap_or(true) || self.in_flight(&id).is_some();
            if !is_needed {
                self.remove(&id);
            }
        }
        self.sweep_in_flight()
    }
}
