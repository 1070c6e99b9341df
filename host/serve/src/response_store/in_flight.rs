//! The life cycle of a fetch in the store: it starts, persists its response, and ends.

use super::table::InFlightFetch;
use super::{InvalidationEpoch, ResponseStore};
use crate::stored_response::StoredResponse;
use std::sync::Arc;

impl ResponseStore {
    /// Registers a fetch that is about to start; returns its generation. While another fetch fills the cache, the store
    /// keeps the response of that one.
    pub fn begin(&self, id: &str, stored: Arc<StoredResponse>, epoch: InvalidationEpoch) -> u64 {
        let mut table = self.table();
        table.generations += 1;
        let generation = table.generations;
        let stored = self.with_invalidation(id, stored, epoch);
        match table.fetches.get_mut(id) {
            Some(fetch) if fetch.fills_cache => fetch.has_rival = true,
            _ => table.set_fetch(id, InFlightFetch { generation, stored, ..Default::default() }),
        }
        generation
    }

    /// Marks a response as invalid if its image was invalidated since that epoch. The caller has locked the table: a later
    /// invalidation finds the fetch there.
    fn with_invalidation(
        &self,
        id: &str,
        mut stored: Arc<StoredResponse>,
        epoch: InvalidationEpoch,
    ) -> Arc<StoredResponse> {
        if self.invalidations.is_changed_since(id, epoch) {
            Arc::make_mut(&mut stored).is_invalid = true;
        }
        stored
    }

    /// Persists the response of a fetch that fills the cache; the response describes the incomplete file.
    pub fn persist(
        &self,
        id: &str,
        generation: u64,
        stored: &Arc<StoredResponse>,
        epoch: InvalidationEpoch,
    ) {
        let mut table = self.table();
        let stored = match table.generation_mut(id, generation) {
            Some(fetch) => {
                fetch.fills_cache = true;
                Arc::clone(&fetch.stored)
            }
            None => {
                let stored = self.with_invalidation(id, Arc::clone(stored), epoch);
                let fetch = InFlightFetch { generation, stored, ..Default::default() };
                let stored = Arc::clone(&fetch.stored);
                table.set_fetch(id, InFlightFetch { fills_cache: true, ..fetch });
                stored
            }
        };
        drop(table);
        self.save_in_flight(id, &stored);
    }

    /// Removes a fetch whose response does not describe the cached image or the incomplete file; returns whether it was there.
    pub fn abandon(&self, id: &str, generation: u64) -> bool {
        let mut table = self.table();
        let was_there = table.generation_mut(id, generation).is_some();
        if was_there {
            table.fetches.remove(id);
        }
        was_there
    }

    /// Ends a fetch: its response is stored with the cached image, or removed.
    pub fn finish(&self, id: &str, generation: u64) {
        let ended = self
            .table()
            .generation_mut(id, generation)
            .map(|fetch| (fetch.is_discarded, fetch.fills_cache));
        let Some((is_discarded, fills_cache)) = ended else { return };
        if is_discarded {
            self.remove(id);
            if let Err(error) = self.cache.delete_cached_image(id) {
                tracing::warn!(image = %id, %error, "the image was withdrawn during its fetch, and cannot be evicted");
            }
            return;
        }
        if let Ok(Some(reader)) = self.cache.open_for_read(id)
            && let Ok(modified) = reader.modified()
        {
            // If it cannot be read now, the next lookup reads it.
            let _ = self.lookup(id, reader.image_size(), modified.into());
        }
        if self.abandon(id, generation) && fills_cache {
            self.in_flight_files.remove(id);
        }
    }
}
