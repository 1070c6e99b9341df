//! Counting hits, in as few calls of the host as it takes.

use crate::attribute::{self, HITS};
use image_cache_driver_sdk::prelude::*;
use std::collections::HashSet;

/// Ids that an instance remembers.
const MOST: usize = 4096;

/// Images that this instance has counted a hit for, and so knows to be in the books.
///
/// `attributes.add` makes a counter where there is none, which would put a stray file in the books. Asking first whether the
/// counter is there costs a call, so it is asked once for each image and instance. An image that another process removed and
/// published again without a record would be adopted by its next hit: what the host repairs in the same way.
#[derive(Default)]
pub struct Counted {
    ids: HashSet<String>,
}

impl Counted {
    /// Takes it that the image may not be in the books any more.
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

/// Counts hits. Attributes know no transaction: once one is counted, a later one that fails is told to the log, and the answer
/// is ok, so that the host does not send all of them again. A file that may not be changed never counts, and must not keep
/// others from being counted.
pub fn record(counted: &mut Counted, hits: Vec<Hit>) -> Result<(), Error> {
    let mut done = false;
    for hit in hits {
        match count(counted, &hit) {
            Ok(true) => done = true,
            Ok(false) => {}
            Err(error) if !done && error != Error::Denied => return Err(error),
            Err(error) => log(
                Level::Warn,
                &format!("a hit of {} was not counted: {}", hit.image_id, error_words(&error)),
            ),
        }
    }
    Ok(())
}

/// Counts one hit; false where the image is not in the books.
fn count(counted: &mut Counted, hit: &Hit) -> Result<bool, Error> {
    if !counted.is_recorded(&hit.image_id)? {
        return Ok(false);
    }
    match attributes::add(&hit.image_id, HITS, 1) {
        Ok(_) => {}
        Err(Error::NotFound) => {
            counted.forget(&hit.image_id);
            return Ok(false);
        }
        Err(error) => return Err(error),
    }
    if let Err(error) = touch(hit) {
        log(
            Level::Warn,
            &format!("the access time of {} was not set: {}", hit.image_id, error_words(&error)),
        );
    }
    Ok(true)
}

/// Moves the access time forward, never back.
fn touch(hit: &Hit) -> Result<(), Error> {
    match files::stat(&hit.image_id)? {
        Some(file) if file.accessed < hit.at => files::set_accessed(&hit.image_id, hit.at),
        _ => Ok(()),
    }
}
