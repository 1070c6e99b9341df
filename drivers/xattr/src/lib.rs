//! The built-in xattr driver: Glance's attributes on the cached files, least recently accessed first.
//!
//! An image is in the records if its file has the attribute `hits`. Size and times are those of the file. The host maps the names
//! to `user.hits` and `user.checksum`; this crate defines their values.

mod attribute;
mod hits;
mod listing;
mod sorted_pages;
mod victims;

use attribute::{CHECKSUM, HITS};
use image_cache_driver_sdk::prelude::*;
use listing::for_each_file;

/// The state of an instance, which can be restored from the directory.
#[derive(Default)]
struct Xattr {
    walk: sorted_pages::Walk,
    counted: hits::Counted,
}

impl Driver for Xattr {
    fn describe() -> Description {
        Description { name: "xattr".into(), version: env!("CARGO_PKG_VERSION").into() }
    }

    fn configure(options: Options) -> Result<Self, ConfigurationError> {
        options.finish()?;
        if attributes::is_supported() {
            return Ok(Xattr::default());
        }
        Err(ConfigurationError::Unsupported(
            "the file system of the cache directory has no user attributes (user.*), where this driver keeps its records; \
             use ext4, xfs, btrfs or a tmpfs that has them, or the sqlite driver"
                .into(),
        ))
    }

    /// `hits`, which marks a record, is written last: if the call is interrupted, there is no partial record.
    fn record_cached(&mut self, image: CachedImage) -> Result<(), Error> {
        let id = &image.image_id;
        let file = files::stat(id)?.ok_or(Error::NotFound)?;
        match &image.checksum {
            Some(sum) => attributes::set(id, CHECKSUM, &attribute::of_checksum(sum, &file))?,
            None => attribute::remove(id, CHECKSUM)?,
        }
        files::set_accessed(id, image.last_accessed)?;
        attributes::set(id, HITS, image.hits.to_string().as_bytes())
    }

    fn record_hits(&mut self, hits: Vec<Hit>) -> Result<(), Error> {
        hits::record(&mut self.counted, hits)
    }

    /// `hits`, which marks a record, is removed first. If the file was already removed, the attributes were removed with it.
    fn forget(&mut self, image_ids: Vec<String>) -> Result<(), Error> {
        for id in &image_ids {
            self.counted.forget(id);
            if files::stat(id)?.is_some() {
                attribute::remove(id, HITS)?;
                attribute::remove(id, CHECKSUM)?;
            }
        }
        Ok(())
    }

    fn cached_image(&mut self, image_id: String) -> Result<Option<CachedImage>, Error> {
        record(&image_id)
    }

    fn cached_images(
        &mut self,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<CachedImage>, Error> {
        let mut images = Vec::new();
        self.walk.start(after);
        while images.len() < limit as usize {
            let Some(id) = self.walk.next(|offer| for_each_file(|file| offer(file.image_id)))?
            else {
                break;
            };
            images.extend(record(&id)?);
        }
        self.walk.end(images.last().map(|image| image.image_id.as_str()));
        Ok(images)
    }

    fn cache_size(&mut self) -> Result<CacheSize, Error> {
        let mut size = CacheSize { images: 0, bytes: 0 };
        let mut fault = None;
        for_each_file(|file| match attribute::read_known(&file.image_id, HITS) {
            Ok(Some(_)) => {
                size.images += 1;
                size.bytes = size.bytes.saturating_add(file.size);
            }
            Ok(None) => {}
            Err(error) => fault = Some(error),
        })?;
        fault.map_or(Ok(size), Err)
    }

    fn select_victims(&mut self, request: Eviction) -> Result<Vec<Victim>, Error> {
        victims::select(request)
    }
}

/// The record of a file, or none if there is no file or if it is not in the records.
fn record(image_id: &str) -> Result<Option<CachedImage>, Error> {
    // The attribute is read first, because this opens the file: the next calls use the open file.
    let Some(hits) = attribute::read_known(image_id, HITS)? else { return Ok(None) };
    let Some(file) = files::stat(image_id)? else { return Ok(None) };
    let checksum = attribute::read_known(image_id, CHECKSUM)?;
    Ok(Some(CachedImage {
        hits: attribute::to_hits(&hits),
        checksum: checksum.and_then(|text| attribute::to_checksum(&text, &file)),
        image_id: file.image_id,
        size: file.size,
        last_accessed: file.accessed,
        last_modified: file.modified,
    }))
}

export_driver!(Xattr);
