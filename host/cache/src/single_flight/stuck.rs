//! Writers of other processes that were found to write nothing, so that not every reader waits to find that out.

use image_cache_model::ImageId;
use image_cache_store::sync::lock;
use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::sync::Mutex;

/// So many are remembered; beyond that readers wait.
const MOST: usize = 1024;

/// Writers that write nothing, by their images.
#[derive(Debug, Default)]
pub(crate) struct StuckWriters(Mutex<BTreeMap<ImageId, Stalled>>);

/// A growing file that did not grow: this very file, at this size.
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
    /// The writer of this growing file writes nothing.
    pub fn remember(&self, id: &ImageId, file: &Metadata) {
        let mut known = lock(&self.0);
        if known.len() < MOST || known.contains_key(id) {
            known.insert(id.clone(), Stalled::of(file));
        }
    }

    /// Whether anything is remembered of an image: a look that needs no file.
    pub fn has(&self, id: &ImageId) -> bool {
        lock(&self.0).contains_key(id)
    }

    /// Whether the writer of this growing file still writes nothing; one that does is forgotten.
    pub fn forget_unless_stuck(&self, id: &ImageId, file: &Metadata) -> bool {
        let mut known = lock(&self.0);
        let is_same = known.get(id).is_some_and(|known| *known == Stalled::of(file));
        if !is_same {
            known.remove(id);
        }
        is_same
    }

    /// There is no such writer any more.
    pub fn forget(&self, id: &ImageId) {
        lock(&self.0).remove(id);
    }
}
