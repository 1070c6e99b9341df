//! How labels end: with a fetch, with a change at the upstream, and with their images.

use super::{Fetch, Known, Labels, fetch};
use crate::label::Label;
use image_cache::ImageCache;
use std::io;
use std::sync::Arc;

impl Labels {
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
            // What cannot be read now is read when it is looked for.
            let _ = self.cached(cache, id, reader.image_size(), modified.into());
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

    pub(super) fn mark_invalid(&self, id: &str) {
        let stored = match self.known().get_mut(id) {
            Some(Known::Expected(fetch)) => {
                Arc::make_mut(&mut fetch.label).is_invalid = true;
                None
            }
            Some(Known::Cached(label)) => Some(Label::clone(label)),
            None => None,
        };
        let stored = match stored {
            Some(label) => Ok(Some(label)),
            None => self.files.load::<Label>(id),
        };
        match stored {
            Ok(Some(mut label)) => {
                label.is_invalid = true;
                self.put(id, label);
            }
            Ok(None) => {}
            // An image of which nothing is known is not served.
            Err(_) => self.files.remove(id),
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
}
