//! The capability `files`: the directory's information about the cached files, never their bytes.

use super::error::{CapabilityError, io_error};
use super::images::Images;
use super::listing::Listing;
use crate::bindings::image_cache::driver::files as wit;
use image_cache_model::{ImageId, system_time, timestamp};
use image_cache_store::{FileInfo, set_file_accessed};

/// Maximum number of entries of one page of a listing.
const MAX_PAGE: u32 = 10_000;

/// Maximum number of open listings of a driver.
pub const MAX_LISTINGS: usize = 16;

pub fn entry(id: &str, info: &FileInfo) -> wit::File {
    wit::File {
        image_id: id.into(),
        size: info.size,
        modified: timestamp(info.modified),
        accessed: timestamp(info.accessed),
    }
}

pub fn stat(images: &mut Images, id: &str) -> Result<Option<wit::File>, CapabilityError> {
    let id = images.id(id)?;
    let info = match images.open_file_with_stat(&id) {
        Some((_, stat)) => Ok(Some(FileInfo::new(&stat))),
        None => images.directory.cached_file(&id),
    };
    let Some(info) = info.map_err(|e| io_error(&e))? else { return Ok(None) };
    let entry = entry(id.as_str(), &info);
    images.last_found = Some(id);
    Ok(Some(entry))
}

pub fn set_accessed(images: &Images, id: &str, at: u64) -> Result<(), CapabilityError> {
    let (id, at) = (images.id(id)?, system_time(at));
    let found = match images.open_file(&id) {
        Some(file) => set_file_accessed(file, at).map(|()| true),
        None if is_cached_file(images, &id)? => images.directory.set_accessed(&id, at),
        None => Ok(false),
    };
    if found.map_err(|e| io_error(&e))? { Ok(()) } else { Err(CapabilityError::NotFound) }
}

/// A directory or a link is not a cached file.
fn is_cached_file(images: &Images, id: &ImageId) -> Result<bool, CapabilityError> {
    if images.last_found.as_ref() == Some(id) {
        return Ok(true);
    }
    Ok(images.directory.cached_file(id).map_err(|e| io_error(&e))?.is_some())
}

/// The requested number of entries; fewer, but at least one, if the call's time ends.
pub fn page(
    listing: &mut Listing,
    limit: u32,
    passed: impl Fn() -> bool,
) -> Result<Vec<wit::File>, CapabilityError> {
    let limit = limit.min(MAX_PAGE) as usize;
    let mut page = Vec::with_capacity(limit.min(256));
    for found in listing.by_ref().take(limit) {
        let (id, info) = found.map_err(|e| io_error(&e))?;
        page.push(entry(id.as_str(), &info));
        if page.len() % 64 == 0 && passed() {
            break;
        }
    }
    Ok(page)
}
