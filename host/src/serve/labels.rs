//! The labels of all images: in memory, and as small files in the cache's own directory.

mod files;
mod invalidations;
mod promises;

pub use invalidations::Changes;

use super::label::{Label, Moment};
use files::Files;
use image_cache::ImageCache;
use invalidations::Invalidations;
use promises::Promises;
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// So many are kept in memory; the others are read again.
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
    /// What comes of it is to be thrown away.
    is_doomed: bool,
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

    /// A fetch is about to begin, of which this is known since it was asked for; answers its number. While another fetch
    /// fills the cache, what is known of that one stays.
    pub fn expect(&self, id: &str, label: Arc<Label>, asked: Changes) -> u64 {
        let number = self.fetches.fetch_add(1, Ordering::Relaxed);
        let mut known = self.known();
        let label = self.as_of(id, label, asked);
        let fetch = Fetch { number, label, is_ours: false, is_doomed: false };
        if !matches!(known.get(id), Some(Known::Expected(Fetch { is_ours: true, .. }))) {
            known.insert(id.to_owned(), Known::Expected(fetch));
        }
        number
    }

    /// Says of an image that was changed since it was asked for that it is invalid. For who holds the lock on what is known:
    /// a change that is not seen here finds the fetch there.
    fn as_of(&self, id: &str, mut label: Arc<Label>, asked: Changes) -> Arc<Label> {
        if self.invalidations.is_changed_since(id, asked) {
            Arc::make_mut(&mut label).is_invalid = true;
        }
        label
    }

    /// The fetch fills the cache: what is known of it is true of the file that it fills.
    pub fn promise(&self, id: &str, number: u64, label: &Arc<Label>, asked: Changes) {
        let mut known = self.known();
        let label = match fetch(&mut known, id, number) {
            Some(fetch) => {
                fetch.is_ours = true;
                Arc::clone(&fetch.label)
            }
            None => {
                let label = self.as_of(id, Arc::clone(label), asked);
                let fetch =
                    Fetch { number, label: Arc::clone(&label), is_ours: true, is_doomed: false };
                known.insert(id.to_owned(), Known::Expected(fetch));
                label
            }
        };
        drop(known);
        self.promises.make(id, &label);
    }

    /// Whether what is cached or being fetched under an id is the very image of this label.
    pub fn is_current(&self, id: &str, label: &Label) -> bool {
        match self.known().get(id) {
            Some(Known::Expected(fetch)) => fetch.label.begun == label.begun,
            Some(Known::Cached(cached)) => cached.begun == label.begun,
            None => false,
        }
    }

    /// What is known of a fetch is not true of what is cached or fills the cache; answers whether anything was.
    pub fn disown(&self, id: &str, number: u64) -> bool {
        let mut known = self.known();
        fetch(&mut known, id, number).is_some() && known.remove(id).is_some()
    }

    /// Whether what somebody else fetches, or has just fetched, is known to be the image with this label.
    pub fn is_known_elsewhere(&self, id: &str, label: &Label) -> bool {
        let known = self.promises.of_fetched(id).or_else(|| self.promises.of_cached(id));
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

    /// What is known of the cached image whose file has this size and time.
    pub fn cached(
        &self,
        cache: &ImageCache,
        id: &str,
        size: u64,
        modified: Moment,
    ) -> Option<Arc<Label>> {
        let fetched = match self.known().get(id) {
            Some(Known::Cached(label)) if label.fits(size, modified) => {
                return Some(Arc::clone(label));
            }
            Some(Known::Expected(fetch)) if fetch.is_ours => Some(Arc::clone(&fetch.label)),
            _ => None,
        };
        let is_its = |label: &Arc<Label>| {
            label.size.is_none_or(|known| known == size) && modified >= label.begun
        };
        match fetched.filter(is_its) {
            Some(label) => Some(self.bind(cache, id, &label, size, modified)),
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
    ) -> Option<Arc<Label>> {
        if let Some(label) = self.files.load(id).filter(|label: &Label| label.fits(size, modified))
        {
            let label = Arc::new(label);
            self.remember(id, Arc::clone(&label));
            return Some(label);
        }
        let label = self.promises.of_cached(id)?;
        let fits = label.size.is_none_or(|known| known == size);
        fits.then(|| self.bind(cache, id, &label, size, modified))
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
            _ => self.files.load::<Label>(id)?.modified,
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

    /// A fetch has ended, one way or the other.
    pub fn settle(&self, cache: &ImageCache, id: &str, number: u64) {
        let ended = fetch(&mut self.known(), id, number).map(|it| (it.is_doomed, it.is_ours));
        let Some((is_doomed, is_ours)) = ended else { return };
        if is_doomed {
            self.forget(id);
            if let Err(error) = cache.delete_cached_image(id) {
                tracing::warn!(image = %id, %error, "it was withdrawn while it was fetched, and cannot be evicted");
            }
            return;
        }
        if let Ok(Some(reader)) = cache.open_for_read(id)
            && let Ok(modified) = reader.modified()
        {
            self.cached(cache, id, reader.image_size(), modified.into());
        }
        if self.disown(id, number) && is_ours {
            self.promises.remove(id);
        }
    }

    /// The image is not to be served any more: what a running fetch brings is thrown away when it has ended.
    pub fn doom(&self, id: &str) {
        if let Some(Known::Expected(fetch)) = self.known().get_mut(id) {
            fetch.is_doomed = true;
            return;
        }
        self.forget(id);
    }

    /// What is stored of an image, or being fetched, is not to be used unasked any more.
    pub fn invalidate(&self, id: &str) {
        // First: whoever does not see the mark yet sees this.
        self.invalidations.add(id);
        self.mark_invalid(id);
    }

    fn mark_invalid(&self, id: &str) {
        let stored = match self.known().get_mut(id) {
            Some(Known::Expected(fetch)) => {
                Arc::make_mut(&mut fetch.label).is_invalid = true;
                None
            }
            Some(Known::Cached(label)) => Some(Label::clone(label)),
            None => None,
        };
        if let Some(mut label) = stored.or_else(|| self.files.load::<Label>(id)) {
            label.is_invalid = true;
            self.put(id, label);
        }
    }

    /// Whether what a running fetch brings, or has just brought, is to be thrown away.
    pub fn is_doomed(&self, id: &str) -> bool {
        matches!(self.known().get(id), Some(Known::Expected(Fetch { is_doomed: true, .. })))
    }

    fn forget(&self, id: &str) {
        self.known().remove(id);
        self.promises.remove(id);
        self.files.remove(id);
    }

    /// Removes the labels of images that are not cached any more, and the images that are to go; answers how many labels.
    pub fn sweep(&self, cache: &ImageCache, is_to_go: impl Fn(&str) -> bool) -> io::Result<u64> {
        let mut swept = 0;
        for id in self.files.ids()? {
            if is_to_go(&id) {
                let _ = cache.delete_cached_image(&id);
            }
            // Where nobody can tell, it stays.
            let is_needed = cache.is_cached(&id).unwrap_or(true) || self.expected(&id).is_some();
            if !is_needed {
                self.forget(&id);
                swept += 1;
            }
        }
        self.promises.sweep()?;
        Ok(swept)
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

/// The MD5 that the books have of an image.
pub fn checksum(cache: &ImageCache, id: &str) -> Option<String> {
    let image = cache.cached_image(id).ok().flatten()?;
    image.checksum.map(|checksum| checksum.to_string())
}
