//! How much the cache may take of the disk: room for each fill before its bytes come where their number is known,
//! as they come where it is not; never below the floor of free space, never above a hard limit. The same holds for inodes.
//!
//! What one fill reserves is announced on its file, and all of them are added up under the directory's lock. So
//! fills that run at the same time, in one process or in many, cannot take the same room twice.

mod inodes;
mod storage_full;

use crate::cache::CacheInner;
use bytesize::ByteSize;
use image_cache_model::Config;
use image_cache_store::Incomplete;
use std::io;
use storage_full::{EVICTION_ROUNDS, storage_full};

/// If the length is unknown, an eighth of what has come is reserved at once, but at least and at most so
/// much: seldom, since all images are looked at for it, and never much that is not needed.
const LEAST_STEP: u64 = 1 << 20;
const MOST_STEP: u64 = 64 << 20;

/// Whether there is room.
enum SpaceAdmission {
    Reserved,
    /// Within the hard limit there is once so many bytes have been evicted.
    After(u64),
}

/// Reserves room for an image that is about to come; an error says why it cannot be cached.
pub(crate) fn reserve(
    inner: &CacheInner,
    file: &mut Incomplete,
    size: Option<u64>,
) -> io::Result<()> {
    inodes::take_place(inner, file)?;
    match size {
        Some(0) => Ok(()),
        Some(size) => make_space(inner, file, size, size),
        None if is_bounded(&inner.config) => make_space(inner, file, 1, LEAST_STEP),
        None => Ok(()),
    }
}

/// Sees to it that the next bytes have room; an error says why they have none.
pub(crate) fn grow(inner: &CacheInner, file: &mut Incomplete, bytes: usize) -> io::Result<()> {
    let least = file.size() + bytes as u64;
    if least <= file.reserved() || !is_bounded(&inner.config) {
        return Ok(());
    }
    let step = (file.size() / 8).clamp(LEAST_STEP, MOST_STEP);
    make_space(inner, file, least, least.max(file.size() + step))
}

fn is_bounded(config: &Config) -> bool {
    config.hard_limit || config.min_free > 0
}

/// Reserves `most` bytes in all for this file; fewer, but no fewer than `least`, if that is all there is.
fn make_space(inner: &CacheInner, file: &mut Incomplete, least: u64, most: u64) -> io::Result<()> {
    if !is_bounded(&inner.config) {
        free_on_disk(inner, file, 0, least)?;
        return file.allocate(most).map(drop);
    }
    let (mut excess, mut budget) = (0, None);
    for _ in 0..EVICTION_ROUNDS {
        excess = match reserve_within_limits(inner, file, least, most)? {
            SpaceAdmission::Reserved => return Ok(()),
            SpaceAdmission::After(excess) => excess,
        };
        if crate::prune::evict_bytes(inner, excess, &mut budget).map_err(io::Error::other)? == 0 {
            break;
        }
    }
    Err(storage_full(format!(
        "no space within image_cache_max_size ({}), a hard limit: {} more would have to be evicted, and cannot be",
        ByteSize(inner.config.max_size),
        ByteSize(excess),
    )))
}

/// Looks under the directory's lock whether there is room, and reserves it.
fn reserve_within_limits(
    inner: &CacheInner,
    file: &mut Incomplete,
    least: u64,
    most: u64,
) -> io::Result<SpaceAdmission> {
    let CacheInner { config, directory, .. } = inner;
    let lock = directory.lock()?;
    let others = directory.active_fills(file.image_id())?;
    let mut granted = most;
    if config.hard_limit {
        granted = match within_hard_limit(inner, others.bytes, least, most)? {
            Ok(granted) => granted,
            Err(excess) => return Ok(SpaceAdmission::After(excess)),
        };
    }
    granted = granted.min(free_on_disk(inner, file, others.unallocated, least)?);
    if file.announce_bytes(granted)? {
        // Others can read it there; to allocate it may take a while.
        drop(lock);
        return file.allocate(granted).map(|_| SpaceAdmission::Reserved);
    }
    // If they cannot read it they must find it allocated.
    if !file.allocate(granted)? && config.hard_limit {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "the file system can reserve nothing, so that image_cache_hard_limit could not be kept",
        ));
    }
    Ok(SpaceAdmission::Reserved)
}

/// How many bytes the hard limit allows, beside those of other fills; or how many have to be evicted first.
fn within_hard_limit(
    inner: &CacheInner,
    others: u64,
    least: u64,
    most: u64,
) -> io::Result<Result<u64, u64>> {
    let max_size = inner.config.max_size;
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

/// The bytes that this file may come to have by what the file system has free; an error if they are fewer
/// than `least`. Free bytes that are `promised` to other fills are theirs.
fn free_on_disk(
    inner: &CacheInner,
    file: &Incomplete,
    promised: u64,
    least: u64,
) -> io::Result<u64> {
    let Some(free) = inner.directory.free_space()? else { return Ok(u64::MAX) };
    let kept = inner.config.min_free;
    let most = file.allocated().saturating_add(free.saturating_sub(promised).saturating_sub(kept));
    if least <= most {
        return Ok(most);
    }
    let mut words = format!(
        "No space left on the file system: it needs {} more, {} are free",
        ByteSize(least - file.allocated()),
        ByteSize(free)
    );
    if promised > 0 {
        words += &format!(", {} of them promised to other fills", ByteSize(promised));
    }
    if kept > 0 {
        words += &format!(", and image_cache_min_free keeps {}", ByteSize(kept));
    }
    Err(storage_full(words))
}
