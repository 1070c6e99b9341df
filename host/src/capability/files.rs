//! The capability `files`: what the directory says of the cached files, never their bytes.

use super::{Error, Images, io_error};
use crate::directory::{CachedFiles, FileInfo, set_file_accessed};
use crate::driver::bindings::image_cache::driver::files as wit;
use crate::driver::state::HostState;
use crate::driver::{Bound, system_time, timestamp};
use crate::image_id::ImageId;
use wasmtime::component::Resource;

/// Most entries that one page of a listing holds.
const MAX_PAGE: u32 = 10_000;

/// Most listings that a driver may hold open at once.
pub(crate) const MAX_LISTINGS: usize = 16;

/// One pass over the cached files.
pub struct Listing(CachedFiles);

fn entry(id: &str, info: &FileInfo) -> wit::File {
    wit::File {
        image_id: id.into(),
        size: info.size,
        modified: timestamp(info.modified),
        accessed: timestamp(info.accessed),
    }
}

fn stat(images: &mut Images, id: &str) -> Result<Option<wit::File>, Error> {
    let id = images.id(id)?;
    let info = match images.open_still(&id) {
        Some((_, stat)) => Ok(Some(FileInfo::new(&stat))),
        None => images.directory.cached_file(&id),
    };
    let Some(info) = info.map_err(|e| io_error(&e))? else { return Ok(None) };
    let entry = entry(id.as_str(), &info);
    images.found = Some(id);
    Ok(Some(entry))
}

fn set_accessed(images: &Images, id: &str, at: u64) -> Result<(), Error> {
    let (id, at) = (images.id(id)?, system_time(at));
    let found = match images.open(&id) {
        Some(file) => set_file_accessed(file, at).map(|()| true),
        None if is_cached_file(images, &id)? => images.directory.set_accessed(&id, at),
        None => Ok(false),
    };
    if found.map_err(|e| io_error(&e))? { Ok(()) } else { Err(Error::NotFound) }
}

/// Neither a directory nor a link has an image's time.
fn is_cached_file(images: &Images, id: &ImageId) -> Result<bool, Error> {
    if images.found.as_ref() == Some(id) {
        return Ok(true);
    }
    Ok(images.directory.cached_file(id).map_err(|e| io_error(&e))?.is_some())
}

impl HostState {
    fn list(&mut self) -> Result<Resource<Listing>, Error> {
        if self.listings >= MAX_LISTINGS {
            return Err(Error::TooLarge);
        }
        let files = self.images()?.directory.cached_files().map_err(|e| io_error(&e))?;
        let listing = self.table.push(Listing(files)).map_err(|_| Error::TooLarge)?;
        self.listings += 1;
        self.usage.note(Bound::Listings, self.listings as u64);
        Ok(listing)
    }
}

/// As many entries as asked for; fewer, but at least one, when the time of the call runs out.
fn page(
    listing: &mut Listing,
    limit: u32,
    passed: impl Fn() -> bool,
) -> Result<Vec<wit::File>, Error> {
    let limit = limit.min(MAX_PAGE) as usize;
    let mut page = Vec::with_capacity(limit.min(256));
    for found in listing.0.by_ref().take(limit) {
        let (id, info) = found.map_err(|e| io_error(&e))?;
        page.push(entry(id.as_str(), &info));
        if page.len() % 64 == 0 && passed() {
            break;
        }
    }
    Ok(page)
}

impl wit::Host for HostState {
    fn stat(&mut self, image_id: String) -> wasmtime::Result<Result<Option<wit::File>, Error>> {
        Ok(self.charged(|state| stat(state.images_mut()?, &image_id)))
    }

    fn list_cached(&mut self) -> wasmtime::Result<Result<Resource<Listing>, Error>> {
        Ok(self.charged(HostState::list))
    }

    fn set_accessed(&mut self, image_id: String, at: u64) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.charged(|state| set_accessed(state.images()?, &image_id, at)))
    }
}

impl wit::HostListing for HostState {
    fn next(
        &mut self,
        listing: Resource<Listing>,
        limit: u32,
    ) -> wasmtime::Result<Result<Vec<wit::File>, Error>> {
        self.charged(|state| {
            let deadline = state.clock.deadline().clone();
            let listing = state.table.get_mut(&listing)?;
            Ok(page(listing, limit, || deadline.passed()))
        })
    }

    fn drop(&mut self, listing: Resource<Listing>) -> wasmtime::Result<()> {
        self.table.delete(listing)?;
        self.listings = self.listings.saturating_sub(1);
        Ok(())
    }
}
