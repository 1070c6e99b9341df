//! The images that the driver refused last, with its reasons: for a caller that only learns later that an image is not cached.

use image_cache_model::ImageId;
use image_cache_store::sync::lock;
use std::collections::VecDeque;
use std::sync::Mutex;

/// Refusals that are remembered.
const REMEMBERED: usize = 100;

/// The last refusals of this process. A drop forgets them.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    last: Mutex<VecDeque<(ImageId, Option<String>)>>,
}

impl Refusals {
    /// Remembers a refusal, in place of an earlier one of the image.
    pub fn note(&self, id: &ImageId, reason: Option<String>) {
        let mut last = lock(&self.last);
        last.retain(|(known, _)| known != id);
        last.push_back((id.clone(), reason));
        if last.len() > REMEMBERED {
            last.pop_front();
        }
    }

    /// Forgets the refusal of an image that was admitted.
    pub fn forget(&self, id: &ImageId) {
        lock(&self.last).retain(|(known, _)| known != id);
    }

    /// The reason of an image's last refusal; the outer `None` if it was not refused.
    pub fn of(&self, id: &ImageId) -> Option<Option<String>> {
        let last = lock(&self.last);
        last.iter().find(|(known, _)| known == id).map(|(_, reason)| reason.clone())
    }
}
