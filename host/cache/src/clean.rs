//! Removes leftovers of failed fetches.

use crate::cache::CacheInner;
use crate::delete::NotRemoved;
use crate::error::Result;
use crate::metadata::{DriverBudget, MetadataStore};
use image_cache_model::{Leftover, LeftoverState};
use image_cache_store::names;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Leftovers per call of the driver.
const PAGE: usize = 1000;

/// The result of [`ImageCache::clean`](crate::ImageCache::clean).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cleaned {
    /// Files removed from `incomplete/`.
    pub incomplete: u64,
    /// Files removed from `invalid/`.
    pub invalid: u64,
    /// Bytes of all removed files.
    pub bytes: u64,
    /// Files that could not be removed.
    pub kept: Vec<NotRemoved>,
}

pub(crate) fn clean(inner: &CacheInner, stall_time: Option<Duration>) -> Result<Cleaned> {
    inner.reconcile();
    // Orphan digests are removed without the driver.
    inner.digests.sweep(inner.cached_ids()?.iter());
    let now = SystemTime::now();
    let stall_time = stall_time.unwrap_or(inner.config().stall_time);
    let stalled_before = now.checked_sub(stall_time).unwrap_or(SystemTime::UNIX_EPOCH);
    let mut cleaned = Cleaned::default();
    let budget = DriverBudget::of(0);
    for (state, name) in
        [(LeftoverState::Incomplete, names::INCOMPLETE), (LeftoverState::Invalid, names::INVALID)]
    {
        let leftovers = inner.in_directory("read", name, inner.directory.leftovers(state))?;
        budget.allow(leftovers.len() as u64);
        for page in leftovers.chunks(PAGE) {
            let named = |metadata: &MetadataStore| {
                metadata.select_leftovers(page, stalled_before, now, &budget)
            };
            for leftover in inner.read_metadata(named)? {
                remove(inner, leftover, &mut cleaned);
            }
        }
    }
    Ok(cleaned)
}

fn remove(inner: &CacheInner, leftover: Leftover, cleaned: &mut Cleaned) {
    match inner.directory.remove_leftover(&leftover) {
        Ok(true) => {
            cleaned.bytes += leftover.size;
            match leftover.state {
                LeftoverState::Incomplete => cleaned.incomplete += 1,
                LeftoverState::Invalid => cleaned.invalid += 1,
            }
        }
        // A writer replaced it, or another process removed it.
        Ok(false) => {}
        Err(error) => {
            let (image_id, reason) = (leftover.image_id, Arc::new(error));
            cleaned.kept.push(NotRemoved { image_id, reason });
        }
    }
}
