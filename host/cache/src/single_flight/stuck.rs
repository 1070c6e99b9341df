//! Writers of other processes that make no progress, so that not every reader waits for them.

use image_cache_model::ImageId;
use image_cache_store::sync::lock;
use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::sync::Mutex;

/// The maximum number of remembered writers; readers wait for others.
const MOST: usize = 1024;

/// Writers without progress, by image.
#[derive(Debug, Default)]
pub(crate) struct StuckWriters(Mutex<BTreeMap<ImageId, Stalled>>);

/// A file that did not grow: its identity and size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stalled {
    device: u64,
    inode: u64,
    size: u64,
}

impl Stalled {
    fn of(file: &Metadata) -> Stalled {
        Stalled { device: file.dev(), inode: file.ino(), size: file.len() }
    }
}

impl StuckWriters {
    /// Remembers that the writer of this file makes no progress.
    pub fn remember(&self, id: &ImageId, file: &Metadata) {
        let mut known = lock(&self.0);
        if known.len() < MOST || known.contains_key(id) {
            known.insert(id.clone(), Stalled::of(file));
        }
    }

    /// Whether a writer of this image is remembered, without reading its file.
    pub fn has(&self, id: &ImageId) -> bool {
        lock(&self.0).contains_key(id)
    }

    /// Whether the writer of this file still makes no progress; forgets it otherwise.
    pub fn forget_unless_stuck(&self, id: &ImageId, file: &Metadata) -> bool {
        let mut known = lock(&self.0);
        let is_same = known.get(id).is_some_and(|known| *known == Stalled::of(file));
        if !is_same {
            known.remove(id);
        }
        is_same
    }

    /// Forgets the writer of this image, which has ended.
    pub fn forget(&self, id: &ImageId) {
        lock(&self.0).remove(id);
    }
}
