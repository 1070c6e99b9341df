//! The order of eviction, without a change: what the queues would evict if nothing was used meanwhile.

use crate::next::Next;
use crate::state::Shares;
use crate::tables;
use crate::walk::{Entry, Walk};
use image_cache_driver_sdk::prelude::*;
use std::collections::HashSet;

/// The next images to evict, until their sizes reach the needed bytes or there are enough of them.
pub fn select(request: Eviction, shares: &Shares, next: &Next) -> Result<Vec<Victim>, Error> {
    if request.bytes_needed == 0 {
        return Ok(Vec::new());
    }
    let exclude: HashSet<String> = request.exclude.into_iter().collect();
    if let Some(image) = &next.image
        && (request.limit == 1 || image.entry.size >= request.bytes_needed)
        && !exclude.contains(&image.entry.image_id)
    {
        return Ok(vec![victim(&image.entry)]);
    }
    let mut walk = Walk::new(next.sizes, *shares, tables::page);
    let (mut victims, mut bytes) = (Vec::new(), 0u64);
    while bytes < request.bytes_needed && victims.len() < request.limit as usize {
        let Some(next) = walk.next()? else { break };
        if !exclude.contains(&next.image_id) {
            bytes = bytes.saturating_add(next.size);
            victims.push(victim(&next));
        }
    }
    Ok(victims)
}

fn victim(entry: &Entry) -> Victim {
    Victim { image_id: entry.image_id.clone(), size: entry.size }
}
