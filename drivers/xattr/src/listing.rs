//! Passes over the cached files.

use image_cache_driver_sdk::prelude::*;

/// Files requested in one call during a pass over the directory.
const FILES_AT_ONCE: u32 = 1000;

/// One pass over the cached files, in no particular order.
pub fn for_each_file(mut visit: impl FnMut(files::File)) -> Result<(), Error> {
    let listing = files::list_cached()?;
    loop {
        let some = listing.next(FILES_AT_ONCE)?;
        if some.is_empty() {
            return Ok(());
        }
        some.into_iter().for_each(&mut visit);
    }
}
