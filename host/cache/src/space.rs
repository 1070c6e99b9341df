//! How much disk space the cache may use. A fill reserves space before its bytes arrive if the size is known, otherwise as they
//! arrive; `image_cache_min_free` and the hard limit are never violated. The same applies to inodes.
//!
//! A fill announces its reservation on its file, and the sum of all is computed under the directory's lock. So concurrent fills
//! of all processes cannot reserve the same space twice.

use crate::cache::CacheInner;
use crate::prune::{Excess, make_room};
use bytesize::ByteSize;
use image_cache_model::Config;
use image_cache_store::Incomplete;
use std::io;

/// If the size is unknown, a fill reserves an eighth of its current size at a time, within these bounds: rarely, since a
/// reservation counts all images, but never much more than needed.
const LEAST_STEP: u64 = 1 << 20;
const MOST_STEP: u64 = 64 << 20;

/// Additional inodes per image: for its digests, and for the stored response of the service.
const BESIDE: u64 = 2;

/// Maximum rounds of eviction for one new image: other fills may take the space before it is reserved.
const EVICTION_ROUNDS: u32 = 8;

/// Reserves space for a new image; an error states why it cannot be cached.
pub(crate) fn reserve(
    inner: &CacheInner,
    file: &mut Incomplete,
    size: Option<u64>,
) -> io::Result<()> {
    take_place(inner, file)?;
    match size {
        Some(0) => Ok(()),
        Some(size) => make_space(inner, file, size, size),
        None if is_bounded(&inner.config()) => make_space(inner, file, 1, LEAST_STEP),
        None => Ok(()),
    }
}

/// Makes sure that the next bytes have space; an error states why they have none.
pub(crate) fn grow(inner: &CacheInner, file: &mut Incomplete, bytes: usize) -> io::Result<()> {
    let least = file.size() + bytes as u64;
    if least <= file.reserved() || !is_bounded(&inner.config()) {
        return Ok(());
    }
    let step = (file.size() / 8).clamp(LEAST_STEP, MOST_STEP);
    make_space(inner, file, least, least.max(file.size() + step))
}

fn is_bounded(config: &Config) -> bool {
    config.hard_limit || config.min_free > 0
}

/// Reserves a total of `most` bytes for this file, or fewer if space is short, but at least `least`.
fn make_space(inner: &CacheInner, file: &mut Incomplete, least: u64, most: u64) -> io::Result<()> {
    if !is_bounded(&inner.config()) {
        free_on_disk(inner, file, 0, least)?;
        return file.allocate(most).map(drop);
    }
    admit(inner, || reserve_within_limits(inner, file, least, most))
}

/// Reserves a new image within the limits of images and inodes: many small images can use up the inodes before the bytes. An
/// error states why it cannot be cached.
fn take_place(inner: &CacheInner, file: &mut Incomplete) -> io::Result<()> {
    let config = inner.config();
    let most = config.max_images.filter(|_| config.hard_limit);
    if most.is_none() && config.min_free_inodes == 0 {
        return Ok(());
    }
    admit(inner, || take_within_limits(inner, file, most))
}

/// Calls `look` to reserve space. If `look` returns an excess, evicts it and calls `look` again.
fn admit(
    inner: &CacheInner,
    mut look: impl FnMut() -> io::Result<Option<Excess>>,
) -> io::Result<()> {
    let (mut in_the_way, mut budget) = (Excess::Bytes(0), None);
    for _ in 0..EVICTION_ROUNDS {
        let Some(excess) = look()? else { return Ok(()) };
        in_the_way = excess;
        if make_room(inner, excess, &mut budget).map_err(io::Error::other)? == 0 {
            break;
        }
    }
    let config = inner.config();
    let (max_size, max_images) = (config.max_size, config.max_images);
    let (limit, excess) = match in_the_way {
        Excess::Bytes(bytes) => (
            format!("space within image_cache_max_size ({})", ByteSize(max_size)),
            ByteSize(bytes).to_string(),
        ),
        Excess::Images(images) => (
            format!("place within image_cache_max_images ({})", max_images.unwrap_or_default()),
            images.to_string(),
        ),
    };
    Err(storage_full(format!(
        "no {limit}, a hard limit: {excess} more must be evicted, but cannot be"
    )))
}

/// Reserves space under the directory's lock if there is enough; otherwise returns how much must be evicted first.
fn reserve_within_limits(
    inner: &CacheInner,
    file: &mut Incomplete,
    least: u64,
    most: u64,
) -> io::Result<Option<Excess>> {
    let (config, directory) = (inner.config(), &inner.directory);
    let lock = directory.lock()?;
    let others = directory.active_fills(file.image_id())?;
    let mut granted = most;
    if config.hard_limit {
        granted = match within_hard_limit(inner, others.bytes, least, most)? {
            Ok(granted) => granted,
            Err(excess) => return Ok(Some(Excess::Bytes(excess))),
        };
    }
    granted = granted.min(free_on_disk(inner, file, others.unallocated, least)?);
    if file.announce_bytes(granted)? {
        // Other processes can read the announcement, so the lock is not needed for the allocation, which may take long.
        drop(lock);
        return file.allocate(granted).map(|_| None);
    }
    // Without the announcement, other processes must find the blocks allocated.
    if !file.allocate(granted)? && config.hard_limit {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "the file system cannot reserve space, so image_cache_hard_limit cannot be enforced",
        ));
    }
    Ok(None)
}

/// How many bytes the hard limit allows in addition to those of other fills; or how many must be evicted first.
fn within_hard_limit(
    inner: &CacheInner,
    others: u64,
    least: u64,
    most: u64,
) -> io::Result<Result<u64, u64>> {
    let max_size = inner.config().max_size;
    let cached = inner.cache_size().map_err(io::Error::other)?.bytes;
    let within = max_size.saturating_sub(others);
    if least > within {
        return Err(storage_full(format!(
            "no space within image_cache_max_size ({}), a hard limit: it needs {}, and other fills take up {}",
            ByteSize(max_size),
            ByteSize(least),
            ByteSize(others),
        )));
    }
    let granted = most.min(within);
    let room = within.saturating_sub(cached);
    Ok(if least > room { Err(cached - (within - granted)) } else { Ok(granted.min(room)) })
}

/// The size that this file may reach with the free space of the file system; an error if it is less than `least`. Free bytes that
/// are `promised` to other fills do not count.
fn free_on_disk(
    inner: &CacheInner,
    file: &Incomplete,
    promised: u64,
    least: u64,
) -> io::Result<u64> {
    let Some(free) = inner.directory.free_space()? else { return Ok(u64::MAX) };
    let kept = inner.config().min_free;
    let most = file.allocated().saturating_add(free.saturating_sub(promised).saturating_sub(kept));
    if least <= most {
        return Ok(most);
    }
    let mut words = format!(
        "No space left on the file system: it needs {} more, but only {} are free",
        ByteSize(least - file.allocated()),
        ByteSize(free)
    );
    if promised > 0 {
        words += &format!(", {} of them reserved for other fills", ByteSize(promised));
    }
    if kept > 0 {
        words += &format!(", and image_cache_min_free keeps {}", ByteSize(kept));
    }
    Err(storage_full(words))
}

/// Reserves the image under the directory's lock if the limits allow it; otherwise returns how much must be evicted first.
fn take_within_limits(
    inner: &CacheInner,
    file: &mut Incomplete,
    most: Option<u64>,
) -> io::Result<Option<Excess>> {
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
            return Ok(Some(Excess::Images(cached - within + 1)));
        }
    }
    let (kept, needed) = (inner.config().min_free_inodes, (others + 1).saturating_mul(BESIDE));
    if let Some(free) = directory.free_inodes()?
        && kept > 0
        && free.saturating_sub(needed) < kept
    {
        return Err(storage_full(format!(
            "too few inodes on the file system: {free} are free, running fills need {needed} of them, and image_cache_min_free_inodes keeps {kept}"
        )));
    }
    file.announce_image()?;
    Ok(None)
}

/// An error like that of a full disk, with this text.
fn storage_full(words: String) -> io::Error {
    io::Error::new(io::ErrorKind::StorageFull, words)
}
