//! Keeping the queue free of images that are cached.

use crate::cache::CacheInner;
use std::io;

/// Takes cached images out of the queue, since they are wanted no more: a writer that died between publishing and
/// that left them there.
pub(crate) fn dequeue_cached(inner: &CacheInner) {
    let directory = &inner.directory;
    let dequeue_all = || -> io::Result<()> {
        for id in directory.queued()? {
            if directory.cached_file(&id)?.is_none() {
                continue;
            }
            // It may be removed and wanted anew meanwhile.
            let _lock = directory.lock()?;
            if directory.cached_file(&id)?.is_some() && directory.dequeue(&id)? {
                tracing::info!(image = %id, "it is cached: it was taken out of the queue");
            }
        }
        Ok(())
    };
    if let Err(error) = dequeue_all() {
        tracing::warn!(%error, "images that are cached may stay in the queue");
    }
}
