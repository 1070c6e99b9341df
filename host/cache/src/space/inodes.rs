//! A place for each image among those that the cache may hold, and among the inodes that the file system has: small images fill
//! a disk without filling its bytes.

use super::storage_full::{EVICTION_ROUNDS, storage_full};
use crate::cache::CacheInner;
use image_cache_store::Incomplete;
use std::io;

/// Inodes that an image needs beside its file's: for its digests, and for what a service keeps of the answer that it came with.
const BESIDE: u64 = 2;

/// Whether there is a place.
enum PlaceAdmission {
    Taken,
    /// Within the hard limit there is one once so many images have been evicted.
    After(u64),
}

/// Takes a place for an image that is about to come; an error says why it cannot be cached.
pub(super) fn take_place(inner: &CacheInner, file: &mut Incomplete) -> io::Result<()> {
    let most = inner.config.max_images.filter(|_| inner.config.hard_limit);
    if most.is_none() && inner.config.min_free_inodes == 0 {
        return Ok(());
    }
    let mut excess = 0;
    for _ in 0..EVICTION_ROUNDS {
        excess = match take_within_limits(inner, file, most)? {
            PlaceAdmission::Taken => return Ok(()),
            PlaceAdmission::After(excess) => excess,
        };
        if crate::prune::evict_images(inner, excess).map_err(io::Error::other)? == 0 {
            break;
        }
    }
    Err(storage_full(format!(
        "no place within image_cache_max_images ({}), a hard limit: {excess} more would have to be evicted, and cannot be",
        most.unwrap_or_default()
    )))
}

/// Looks under the directory's lock whether there is a place, and takes it.
fn take_within_limits(
    inner: &CacheInner,
    file: &mut Incomplete,
    most: Option<u64>,
) -> io::Result<PlaceAdmission> {
    let directory = &inner.directory;
    let _lock = directory.lock()?;
    let others = directory.active_fills(file.image_id())?.images;
    if let Some(most) = most {
        let within = most.saturating_sub(others);
        if within == 0 {
            return Err(storage_full(format!(
                "no place within image_cache_max_images ({most}), a hard limit: {others} other images are being fetched"
            )));
        }
        let cached = inner.cache_size().map_err(io::Error::other)?.images;
        if cached >= within {
            return Ok(PlaceAdmission::After(cached - within + 1));
        }
    }
    let (kept, needed) = (inner.config.min_free_inodes, (others + 1).saturating_mul(BESIDE));
    if let Some(free) = directory.free_inodes()?
        && kept > 0
        && free.saturating_sub(needed) < kept
    {
        return Err(storage_full(format!(
            "too few inodes on the file system: {free} are free, running fills need {needed} of them, and image_cache_min_free_inodes keeps {kept}"
        )));
    }
    file.announce_image()?;
    Ok(PlaceAdmission::Taken)
}
