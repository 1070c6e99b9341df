//! The stored responses of all images: in memory, and as small files in the cache's own directory. The store also knows
//! which images are in flight, and which request may fetch an image.

mod fetch_lock;
mod in_flight;
mod in_flight_responses;
mod invalidations;
mod json_files;
mod removal;
mod table;
#[cfg(test)]
mod tests;

pub use fetch_lock::{FetchLock, release};
pub use invalidations::InvalidationEpoch;
pub use table::FetchOutcome;

use super::stored_response::{StoredResponse, Timestamp};
use image_cache::{ImageCache, names};
use invalidations::Invalidations;
use json_files::JsonFiles;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use table::Table;

/// The stored responses of all images. Methods that read or write files may block.
///
/// It exists because the cache stores bytes and a checksum, but a client must also get the header fields, and the service must
/// know when it has to ask the upstream. It promises that a response is used only for the file that it describes (by size
/// and modification time), that a response which was invalidated is not used before it is revalidated, and that a response
/// which cannot be read counts as missing, never as fresh. The profiles call it for each request; the maintenance sweeps it.
/// Each change is written to a file before it is used, so dropping the store loses nothing.
#[derive(Debug)]
pub struct ResponseStore {
    cache: ImageCache,
    files: JsonFiles,
    /// The responses of images in flight.
    in_flight_files: JsonFiles,
    invalidations: Invalidations,
    table: Arc<Mutex<Table>>,
}

impl ResponseStore {
    /// Opens the store in the cache's own directory.
    pub fn open(cache: &ImageCache) -> io::Result<ResponseStore> {
        let files = JsonFiles::open(cache, names::in_own(names::RESPONSES))?;
        Ok(ResponseStore {
            cache: cache.clone(),
            in_flight_files: files.below(".promised")?,
            files,
            invalidations: Invalidations::default(),
            table: Arc::default(),
        })
    }

    /// The invalidations until now, for a request to the upstream that is about to be sent.
    pub fn epoch(&self) -> InvalidationEpoch {
        self.invalidations.until_now()
    }

    /// Whether the image that is cached or in flight is certainly the one of this response.
    pub fn is_current(&self, id: &str, stored: &StoredResponse) -> bool {
        let table = self.table();
        match (table.fetches.get(id), table.cached.get(id)) {
            (Some(fetch), _) => fetch.stored.begun == stored.begun && !fetch.has_rival,
            (None, Some(cached)) => cached.begun == stored.begun,
            (None, None) => false,
        }
    }

    /// Whether the image that another process fetches, or has just fetched, is known to be the one of this response.
    pub fn is_same_elsewhere(&self, id: &str, stored: &StoredResponse) -> bool {
        let known = self.of_incomplete_file(id).ok().flatten();
        let known = known.or_else(|| self.of_cached_file(id).ok().flatten());
        known.is_some_and(|known| stored.matches(known.headers()))
    }

    /// The response of an image that is being fetched.
    pub fn in_flight(&self, id: &str) -> Option<Arc<StoredResponse>> {
        self.table().fetches.get(id).map(|fetch| Arc::clone(&fetch.stored))
    }

    /// The response of an image that is being fetched, if new requests may share the fetch.
    pub fn shareable_fetch(&self, id: &str) -> Option<Arc<StoredResponse>> {
        let table = self.table();
        let fetch = table.fetches.get(id).filter(|fetch| !fetch.is_discarded)?;
        Some(Arc::clone(&fetch.stored))
    }

    /// The response of the cached image whose file has this size and time. An error means that there may be one, but that it
    /// cannot be read now.
    pub fn lookup(
        &self,
        id: &str,
        size: u64,
        modified: Timestamp,
    ) -> io::Result<Option<Arc<StoredResponse>>> {
        let fetched = {
            let table = self.table();
            if let Some(stored) = table.cached.get(id)
                && stored.belongs_to(size, modified)
            {
                return Ok(Some(Arc::clone(stored)));
            }
            let fetch = table.fetches.get(id).filter(|fetch| fetch.fills_cache);
            fetch.map(|fetch| Arc::clone(&fetch.stored))
        };
        let is_its = |stored: &Arc<StoredResponse>| {
            stored.size.is_none_or(|known| known == size) && modified >= stored.begun
        };
        match fetched.filter(is_its) {
            Some(stored) => Ok(Some(self.commit(id, &stored, size, modified))),
            None => self.load(id, size, modified),
        }
    }

    /// Loads the response from disk. A service that was killed may have left it as that of an image in flight.
    fn load(
        &self,
        id: &str,
        size: u64,
        modified: Timestamp,
    ) -> io::Result<Option<Arc<StoredResponse>>> {
        let stored = self.files.load::<StoredResponse>(id)?;
        if let Some(stored) = stored.filter(|stored| stored.belongs_to(size, modified)) {
            let stored = Arc::new(stored);
            self.remember(id, Arc::clone(&stored));
            return Ok(Some(stored));
        }
        let in_flight = self.of_cached_file(id)?;
        let in_flight = in_flight.filter(|it| it.size.is_none_or(|known| known == size));
        Ok(in_flight.map(|stored| self.commit(id, &stored, size, modified)))
    }

    /// Stores the response of the cached file, after the fetch has published its image.
    fn commit(
        &self,
        id: &str,
        stored: &StoredResponse,
        size: u64,
        modified: Timestamp,
    ) -> Arc<StoredResponse> {
        let mut stored = stored.clone();
        (stored.size, stored.modified) = (Some(size), Some(modified));
        if stored.md5.is_none() {
            stored.md5 = self.recorded_checksum(id);
        }
        let stored = self.store(id, stored);
        self.in_flight_files.remove(id);
        stored
    }

    /// Stores the response of a cached image.
    pub fn store(&self, id: &str, stored: StoredResponse) -> Arc<StoredResponse> {
        let stored = Arc::new(stored);
        self.save(id, &stored);
        let remembered = self.remember(id, stored.clone());
        if remembered != stored {
            self.save(id, &remembered);
        }
        remembered
    }

    fn save(&self, id: &str, stored: &StoredResponse) {
        if let Err(error) = self.files.save(id, &stored) {
            tracing::warn!(image = %id, %error, "the response cannot be stored; the image will be fetched again after a restart");
        }
    }

    /// Stores the response unless another image has replaced the cached one, or the image was invalidated since that epoch.
    pub fn store_if_unchanged(
        &self,
        id: &str,
        stored: StoredResponse,
        epoch: InvalidationEpoch,
    ) -> Option<Arc<StoredResponse>> {
        if self.known_modified(id)? != stored.modified {
            return None;
        }
        let is_changed = || self.invalidations.is_changed_since(id, epoch);
        if is_changed() {
            return None;
        }
        let stored = self.store(id, stored);
        if is_changed() {
            // Storing may have overwritten the mark of that invalidation.
            self.mark_invalid(id);
            return None;
        }
        Some(stored)
    }

    /// The modification time of the cached file that the known response describes.
    fn known_modified(&self, id: &str) -> Option<Option<Timestamp>> {
        let in_memory = {
            let table = self.table();
            let filling = table.fetches.get(id).filter(|fetch| fetch.fills_cache);
            let known = table.cached.get(id).or(filling.map(|fetch| &fetch.stored));
            known.map(|stored| stored.modified)
        };
        in_memory.or_else(|| Some(self.files.load::<StoredResponse>(id).ok()??.modified))
    }

    /// Deletes the cached image if it certainly has no response: none is stored, or it describes another file, for example because
    /// the directory was copied. Such an image cannot be revalidated.
    pub fn delete_without_response(&self, id: &str) -> image_cache::Result<()> {
        let modified = || -> image_cache::Result<_> {
            let reader = self.cache.open_for_read(id)?;
            Ok(reader.and_then(|reader| Some((reader.image_size(), reader.modified().ok()?))))
        };
        let Some((size, judged)) = modified()? else { return Ok(()) };
        let find = || self.lookup(id, size, judged.into());
        // Another service may have moved it from the images in flight to the cached ones during the first search.
        let has_none = self.in_flight(id).is_none() && (0..2).all(|_| matches!(find(), Ok(None)));
        // Another process may have published another image meanwhile.
        if has_none && modified()? == Some((size, judged)) {
            tracing::info!(image = %id, "no stored response belongs to the cached file; the image is fetched again");
            self.cache.delete_cached_image(id)?;
        }
        Ok(())
    }

    /// Keeps a response in memory; marks it as invalid if its fetch became invalid since the response was taken from it.
    fn remember(&self, id: &str, mut stored: Arc<StoredResponse>) -> Arc<StoredResponse> {
        let mut table = self.table();
        let fetched = table.fetches.get(id).map(|fetch| &fetch.stored);
        let is_newer = fetched.is_some_and(|fetched| fetched.begun > stored.begun);
        if fetched.is_some_and(|fetched| {
            fetched.is_invalid
                && fetched.begun == stored.begun
                && fetched.confirmed == stored.confirmed
        }) {
            Arc::make_mut(&mut stored).is_invalid = true;
        }
        // The response of a later fetch is not replaced.
        if !is_newer {
            table.set_cached(id, Arc::clone(&stored));
        }
        stored
    }

    /// The MD5 in the record of an image.
    pub fn recorded_checksum(&self, id: &str) -> Option<String> {
        let image = self.cache.cached_image(id).ok().flatten()?;
        image.checksum.map(|checksum| checksum.to_string())
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
