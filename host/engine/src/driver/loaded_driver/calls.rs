//! The calls of a driver: each converts its arguments for the guest, and checks the guest's result.

use super::Driver;
use crate::bindings::exports::image_cache::driver::driver::Guest;
use crate::capability::images::OpenImage;
use crate::driver::convert;
use crate::driver::error::CallError;
use crate::driver::exports::Exports;
use crate::driver::host_state::HostState;
use image_cache_model::{
    CacheSize, CachedImage, Eviction, Hit, ImageId, Leftover, Victim, timestamp,
};
use std::fs::File;
use std::sync::Arc;
use std::time::SystemTime;
use wasmtime::Store;

impl Driver {
    /// Writes a record, and replaces an existing one. `file` is the file to which the image's attributes belong,
    /// if it is not published yet.
    ///
    /// # Errors
    /// As every call: see [`CallError`].
    pub fn record_cached(&self, image: &CachedImage, file: Option<&File>) -> Result<(), CallError> {
        let file = file.map(File::try_clone).transpose();
        let file = file.map_err(|error| CallError::NotTried {
            call: "record-cached",
            source: Arc::new(error),
        })?;
        let subject =
            file.map(|file| OpenImage { image_id: image.image_id.clone(), file: file.into() });
        let image = convert::image_to_guest(image);
        let work = |guest: &Guest, store: &mut Store<HostState>| {
            store.data_mut().set_unpublished(subject);
            let result = guest.call_record_cached(&mut *store, &image);
            store.data_mut().set_unpublished(None);
            result
        };
        self.call("record-cached", work, Ok)
    }

    /// Counts hits, oldest first; hits of images without a record are ignored.
    ///
    /// # Errors
    /// As every call: see [`CallError`].
    pub fn record_hits(&self, hits: &[Hit]) -> Result<(), CallError> {
        self.record_hits_with(hits, None)
    }

    /// The same, for an image whose file is open: a driver that keeps its records in the files need not open it.
    pub fn record_hits_with(
        &self,
        hits: &[Hit],
        opened: Option<&OpenImage>,
    ) -> Result<(), CallError> {
        let hits = convert::hits_to_guest(hits);
        let lent = opened.filter(|_| self.loaded.template.sees_files()).cloned();
        // Not through `call`: this is the most frequent call.
        let work = |exports: &Exports, store: &mut Store<HostState>| {
            if let Some((cache, lent)) = store.data_mut().cache.as_mut().zip(lent) {
                cache.images.reuse_open_file(lent);
            }
            exports.driver().call_record_hits(store, &hits)
        };
        self.call_export("record-hits", work, Ok)
    }

    /// Removes records; images without a record are ignored.
    ///
    /// # Errors
    /// As every call: see [`CallError`].
    pub fn forget(&self, ids: &[ImageId]) -> Result<(), CallError> {
        let ids = convert::ids_to_guest(ids);
        self.call("forget", |guest, store| guest.call_forget(store, &ids), Ok)
    }

    /// One record.
    ///
    /// # Errors
    /// As every call: see [`CallError`].
    pub fn cached_image(&self, id: &ImageId) -> Result<Option<CachedImage>, CallError> {
        let asked = id.as_str().to_owned();
        let work = |guest: &Guest, store: &mut _| guest.call_get_cached_image(store, &asked);
        self.call("get-cached-image", work, |image| convert::record_of(id, image))
    }

    /// A page of records in the order of their ids, after `after`; an empty page ends the list.
    ///
    /// # Errors
    /// As every call: see [`CallError`].
    pub fn cached_images(
        &self,
        after: Option<&ImageId>,
        limit: u32,
    ) -> Result<Vec<CachedImage>, CallError> {
        let behind = after.map(|id| id.as_str().to_owned());
        let work = |guest: &Guest, store: &mut _| {
            guest.call_get_cached_images(store, behind.as_ref(), limit)
        };
        self.call("get-cached-images", work, |images| convert::page(after, limit, images))
    }

    /// The number of images and bytes in the records.
    ///
    /// # Errors
    /// As every call: see [`CallError`].
    pub fn cache_size(&self) -> Result<CacheSize, CallError> {
        self.call(
            "get-cache-size",
            |guest, store| guest.call_get_cache_size(store),
            convert::cache_size,
        )
    }

    /// Which images to evict, in this order.
    ///
    /// # Errors
    /// As every call: see [`CallError`].
    pub fn select_victims(&self, eviction: &Eviction<'_>) -> Result<Vec<Victim>, CallError> {
        let request = convert::eviction_to_guest(eviction);
        let cached = eviction.cached;
        let work = |guest: &Guest, store: &mut Store<HostState>| {
            store.data_mut().capacity.usage = cached;
            let result = guest.call_select_victims(&mut *store, &request);
            store.data_mut().capacity.usage = None;
            result
        };
        self.call("select-victims", work, |victims| convert::victims(eviction, victims))
    }

    /// Which leftovers of a page to remove now.
    ///
    /// # Errors
    /// As every call: see [`CallError`].
    pub fn select_leftovers(
        &self,
        leftovers: &[Leftover],
        stalled_before: SystemTime,
        now: SystemTime,
    ) -> Result<Vec<Leftover>, CallError> {
        let offered = convert::leftovers_to_guest(leftovers);
        let (before, now) = (timestamp(stalled_before), timestamp(now));
        let work = |guest: &Guest, store: &mut _| {
            guest.call_select_leftovers(store, &offered, before, now)
        };
        self.call("select-leftovers", work, |chosen| convert::leftovers(leftovers, &chosen))
    }
}
