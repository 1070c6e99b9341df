//! Removing what failed fetches left behind.

use crate::cache::{Kept, Shared};
use crate::error::Result;
use crate::metadata::{Books, Budget};
use image_cache_model::{ImageId, Leftover, LeftoverState};
use std::time::{Duration, SystemTime};

/// Leftovers that the driver is asked about at once.
const PAGE: usize = 1000;

/// What [`ImageCache::clean`](crate::ImageCache::clean) did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Files removed from `incomplete/`.
    pub incomplete: u64,
    /// Files removed from `invalid/`.
    pub invalid: u64,
    /// Bytes that both had.
    pub bytes: u64,
    /// Files that were to go but are still there.
    pub kept: Vec<Kept>,
}

pub(crate) fn clean(shared: &Shared, stall_time: Option<Duration>) -> Result<Cleaned> {
    shared.settle();
    sweep(shared)?;
    let now = SystemTime::now();
    let stall_time = stall_time.unwrap_or(shared.config.stall_time);
    let stalled_before = now.checked_sub(stall_time).unwrap_or(SystemTime::UNIX_EPOCH);
    let mut cleaned = Cleaned::default();
    let budget = Budget::of(0);
    for (state, name) in
        [(LeftoverState::Incomplete, "incomplete"), (LeftoverState::Invalid, "invalid")]
    {
        let leftovers = shared.in_directory("read", name, shared.directory.leftovers(state))?;
        budget.allow(leftovers.len() as u64);
        for page in leftovers.chunks(PAGE) {
            let named = |books: &Books| books.select_leftovers(page, stalled_before, now, &budget);
            for leftover in shared.read_books(named)? {
                remove(shared, leftover, &mut cleaned);
            }
        }
    }
    Ok(cleaned)
}

/// Digests of images that are gone are no leftovers that a driver knows of.
fn sweep(shared: &Shared) -> Result<()> {
    let files = shared.directory.cached_files().and_then(|files| files.map(|f| Ok(f?.0)).collect());
    let ids: Vec<ImageId> = shared.in_directory("read", "", files)?;
    shared.blocks.sweep(ids.iter());
    Ok(())
}

fn remove(shared: &Shared, leftover: Leftover, cleaned: &mut Cleaned) {
    match shared.directory.remove_leftover(&leftover) {
        Ok(true) => {
            cleaned.bytes += leftover.size;
            match leftover.state {
                LeftoverState::Incomplete => cleaned.incomplete += 1,
                LeftoverState::Invalid => cleaned.invalid += 1,
            }
        }
        // A writer took its place, or somebody else removed it.
        Ok(false) => {}
        Err(error) => {
            cleaned.kept.push(Kept { image_id: leftover.image_id, reason: error.to_string() })
        }
    }
}
