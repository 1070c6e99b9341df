//! The labels of all images: in memory, and as small files in the cache's own directory.

mod endings;
mod fetches;
mod files;
mod invalidations;
mod promises;
#[cfg(test)]
mod tests;

pub use invalidations::Changes;

use super::label::{Label, Moment};
use files::Files;
use image_cache::ImageCache;
use invalidations::Invalidations;
use promises::Promises;
use std::collections::HashMap;
use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// So many are kept in memory.
const IN_MEMORY: usize = 10_000;

/// The labels of all images. What takes the cache may touch the disk.
#[derive(Debug)]
pub struct Labels {
    files: Files,
    promises: Promises,
    invalidations: Invalidations,
    known: Mutex<HashMap<String, Known>>,
    fetches: AtomicU64,
}

#[derive(Debug)]
enum Known {
    /// Of an image that is cached.
    Cached(Arc<Label>),
    /// Of one that is being fetched.
    Expected(Fetch),
}

#[derive(Debug)]
struct Fetch {
    number: u64,
    label: Arc<Label>,
    /// Whether this fetch fills the cache, and not somebody else's.
    is_ours: bool,
    /// Another fetch has begun since, and nobody knows yet whether that fills the cache now.
    has_rival: bool,
    /// What comes of it is to be thrown away.
    is_doomed: bool,
}

impl Fetch {
    fn new(number: u64, label: Arc<Label>) -> Fetch {
        Fetch { number, label, is_ours: false, has_rival: false, is_doomed: false }
    }
}

impl Labels {
    /// In the cache's own directory.
    pub fn of(cache: &ImageCache) -> io::Result<Labels> {
        let files = Files::of(cache, "http")?;
        let promises = Promises::of(cache, &files)?;
        Ok(Labels {
            files,
            promises,
            invalidations: Invalidations::default(),
            known: Mutex::default(),
            fetches: AtomicU64::new(0),
        })
    }

    /// The changes of images until now, for who is about to ask the upstream.
    pub fn changes(&self) -> Changes {
        self.invalidations.until_now()
    }

    /// Whether what is cached or being fetched under an id is the very image of this label, for certain.
    pub fn is_current(&self, id: &str, label: &Label) -> bool {
        match self.known().get(id) {
            Some(Known::Expected(fetch)) => fetch.label.begun == label.begun && !fetch.has_rival,
            Some(Known::Cached(cached)) => cached.begun == label.begun,
            None => false,
        }
    }

    /// Whether what somebody else fetches, or has just fetched, is known to be the image with this label.
    pub fn is_known_elsewhere(&self, id: &str, label: &Label) -> bool {
        let known = self.promises.of_fetched(id).ok().flatten();
        let known = known.or_else(|| self.promises.of_cached(id).ok().flatten());
        known.is_some_and(|known| label.agrees(known.repeated()))
    }

    /// What is known of an image that is being fetched.
    pub fn expected(&self, id: &str) -> Option<Arc<Label>> {
        match self.known().get(id)? {
            Known::Expected(fetch) => Some(Arc::clone(&fetch.label)),
            Known::Cached(_) => None,
        }
    }

    /// The same, where those who come now may have what it brings.
    pub fn shareable_fetch(&self, id: &str) -> Option<Arc<Label>> {
        match self.known().get(id)? {
            Known::Expected(fetch) if !fetch.is_doomed => Some(Arc::clone(&fetch.label)),
            _ => None,
        }
    }

    /// What is known of the cached image whose file has this size and time; an error where something may be, but cannot be
    /// read now.
    pub fn cached(
        &self,
        cache: &ImageCache,
        id: &str,
        size: u64,
        modified: Moment,
    ) -> io::Result<Option<Arc<Label>>> {
        let fetched = match self.known().get(id) {
            Some(Known::Cached(label)) if label.fits(size, modified) => {
                return Ok(Some(Arc::clone(label)));
            }
            Some(Known::Expected(fetch)) if fetch.is_ours => Some(Arc::clone(&fetch.label)),
            _ => None,
        };
        let is_its = |label: &Arc<Label>| {
            label.size.is_none_or(|known| known == size) && modified >= label.begun
        };
        match fetched.filter(is_its) {
            Some(label) => Ok(Some(self.bind(cache, id, &label, size, modified))),
            None => self.found(cache, id, size, modified),
        }
    }

    /// What lies on disk of it: a service that was killed may have left a promise.
    fn found(
        &self,
        cache: &ImageCache,
        id: &str,
        size: u64,
        modified: Moment,
    ) -> io::Result<Option<Arc<Label>>> {
        let kept = self.files.load(id)?;
        if let Some(label) = kept.filter(|label: &Label| label.fits(size, modified)) {
            let label = Arc::new(label);
            self.remember(id, Arc::clone(&label));
            return Ok(Some(label));
        }
        let promised = self.promises.of_cached(id)?;
        let promised = promised.filter(|label| label.size.is_none_or(|known: u64| known == size));
        Ok(promised.map(|label| self.bind(cache, id, &label, size, modified)))
    }

    /// The image has come; what was expected is said of its file from now on.
    fn bind(
        &self,
        cache: &ImageCache,
        id: &str,
        label: &Label,
        size: u64,
        modified: Moment,
    ) -> Arc<Label> {
        let mut label = label.clone();
        (label.size, label.modified) = (Some(size), Some(modified));
        if label.md5.is_none() {
            label.md5 = checksum(cache, id);
        }
        let label = self.put(id, label);
        self.promises.remove(id);
        label
    }

    /// Keeps what is said of a cached image.
    pub fn put(&self, id: &str, label: Label) -> Arc<Label> {
        let label = Arc::new(label);
        self.save(id, &label);
        let kept = self.remember(id, label.clone());
        if kept != label {
            self.save(id, &kept);
        }
        kept
    }

    fn save(&self, id: &str, label: &Label) {
        if let Err(error) = self.files.save(id, &label) {
            tracing::warn!(image = %id, %error, "what the upstream said of it cannot be kept: it will be fetched again after a restart");
        }
    }

    /// The same, unless another image has come in its place, or it was changed since the upstream was asked about it.
    pub fn put_if_same(&self, id: &str, label: Label, asked: Changes) -> Option<Arc<Label>> {
        let known = match self.known().get(id) {
            Some(Known::Cached(known)) => known.modified,
            Some(Known::Expected(fetch)) if fetch.is_ours => fetch.label.modified,
            _ => self.files.load::<Label>(id).ok()??.modified,
        };
        let is_changed = || self.invalidations.is_changed_since(id, asked);
        if known != label.modified || is_changed() {
            return None;
        }
        let put = self.put(id, label);
        if is_changed() {
            // Its mark may have been overwritten just now.
            self.mark_invalid(id);
            return None;
        }
        Some(put)
    }

    /// Whether it is certain that nothing is known of an image.
    pub fn is_unknown(&self, id: &str) -> bool {
        self.expected(id).is_none() && self.files.is_absent(id)
    }

    /// Keeps it in memory; as invalid where its fetch became so since the label was taken from there.
    fn remember(&self, id: &str, mut label: Arc<Label>) -> Arc<Label> {
        let mut known = self.known();
        if let Some(Known::Expected(Fetch { label: of_fetch, .. })) = known.get(id)
            && of_fetch.is_invalid
            && of_fetch.begun == label.begun
            && of_fetch.confirmed == label.confirmed
            && !label.is_invalid
        {
            Arc::make_mut(&mut label).is_invalid = true;
        }
        if known.len() >= IN_MEMORY {
            known.retain(|_, known| matches!(known, Known::Expected(_)));
        }
        // A fetch that runs has the last word.
        let is_expected = |fetch: &Known| match fetch {
            Known::Expected(fetch) => fetch.label.begun > label.begun,
            Known::Cached(_) => false,
        };
        if !known.get(id).is_some_and(is_expected) {
            known.insert(id.to_owned(), Known::Cached(Arc::clone(&label)));
        }
        label
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The fetch of an image that has this number, as long as it is the one that is known.
fn fetch<'a>(
    known: &'a mut HashMap<String, Known>,
    id: &str,
    number: u64,
) -> Option<&'a mut Fetch> {
    match known.get_mut(id)? {
        Known::Expected(fetch) if fetch.number == number => Some(fetch),
        _ => None,
    }
}

/// The MD5 that the records have of an image.
pub fn checksum(cache: &ImageCache, id: &str) -> Option<String> {
    let image = cache.cached_image(id).ok().flatten()?;
    image.checksum.map(|checksum| checksum.to_string())
}
