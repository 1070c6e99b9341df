//! Counts hits, with as few calls to the host as possible.

use crate::attribute::{self, HITS};
use image_cache_driver_sdk::prelude::*;
use image_cache_driver_sdk::{ImageHits, hits_by_image};
use std::collections::HashSet;

/// The number of ids that an instance remembers.
const MOST: usize = 4096;

/// Images for which this instance has counted a hit, and which are therefore in the records.
///
/// `attributes.add` creates the counter if it does not exist, and would so add a file without a record to the records. Checking
/// for the counter first costs a call, so an instance checks once for each image. If another process removes an image and
/// publishes it again without a record, the next hit adds it to the records: the host repairs such images in the same way.
#[derive(Default)]
pub struct Counted {
    ids: HashSet<String>,
}

impl Counted {
    /// Forgets that the image is in the records.
    pub fn forget(&mut self, image_id: &str) {
        self.ids.remove(image_id);
    }

    fn is_recorded(&mut self, image_id: &str) -> Result<bool, Error> {
        if self.ids.contains(image_id) {
            return Ok(true);
        }
        let recorded = attribute::read(image_id, HITS)?.is_some();
        if recorded {
            if self.ids.len() >= MOST {
                self.ids.clear();
            }
            self.ids.insert(image_id.to_string());
        }
        Ok(recorded)
    }
}

/// Counts hits, all hits of an image at once. Attributes have no transactions: after one hit was counted, later failures are only
/// logged and the result is ok, so that the host does not send all hits again. If a file must not be changed, its hits are never
/// counted, but the hits of other files are.
pub fn record(counted: &mut Counted, hits: Vec<Hit>) -> Result<(), Error> {
    let mut done = false;
    for (image_id, hits) in hits_by_image(hits) {
        match count(counted, &image_id, hits) {
            Ok(true) => done = true,
            Ok(false) => {}
            Err(error) if !done && error != Error::Denied => return Err(error),
            Err(error) => log(
                Level::Warn,
                &format!(
                    "{} hits of {image_id} were not counted: {}",
                    hits.count,
                    error_words(&error)
                ),
            ),
        }
    }
    Ok(())
}

/// Counts hits of one image; false if it is not in the records.
fn count(counted: &mut Counted, image_id: &str, hits: ImageHits) -> Result<bool, Error> {
    if !counted.is_recorded(image_id)? {
        return Ok(false);
    }
    match attributes::add(image_id, HITS, i64::try_from(hits.count).unwrap_or(i64::MAX)) {
        Ok(_) => {}
        Err(Error::NotFound) => {
            counted.forget(image_id);
            return Ok(false);
        }
        Err(error) => return Err(error),
    }
    if let Err(error) = touch(image_id, hits.latest) {
        log(
            Level::Warn,
            &format!("the access time of {image_id} was not set: {}", error_words(&error)),
        );
    }
    Ok(true)
}

/// Moves the access time forward, never back.
fn touch(image_id: &str, at: u64) -> Result<(), Error> {
    match files::stat(image_id)? {
        Some(file) if file.accessed < at => files::set_accessed(image_id, at),
        _ => Ok(()),
    }
}
