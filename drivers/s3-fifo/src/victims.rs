//! The order of eviction, without a change: what the queues would evict if nothing was used meanwhile.

use crate::state::Shares;
use crate::tables;
use crate::walk::Walk;
use image_cache_driver_sdk::prelude::*;
use std::collections::HashSet;

/// The next images to evict, until their sizes reach the needed bytes or there are enough of them.
pub fn select(request: Eviction, shares: &Shares) -> Result<Vec<Victim>, Error> {
    if request.bytes_needed == 0 {
        return Ok(Vec::new());
    }
    let exclude: HashSet<String> = request.exclude.into_iter().collect();
    let mut walk = Walk::new(tables::sizes()?, *shares, tables::page);
    let (mut victims, mut bytes) = (Vec::new(), 0u64);
    while bytes < request.bytes_needed && victims.len() < request.limit as usize {
        let Some(next) = walk.next()? else { break };
        if !exclude.contains(&next.image_id) {
            bytes = bytes.saturating_add(next.size);
            victims.push(Victim { image_id: next.image_id, size: next.size });
        }
    }
    Ok(victims)
}
