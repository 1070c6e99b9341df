//! Capacity: whatever the limits are and whatever the host counted, victims are named and records stay. A driver that does not import
//! the interface passes too.

use super::failure::{Verdict, equal, holds};
use super::fixture::Fixture;
use super::images::{at, image};
use image_cache_model::{CacheSize, CachedImage};

/// Limits in bytes and images: a cache that is to be emptied, full ones, and one without a limit in practice.
const LIMITS: [(u64, Option<u64>); 6] = [
    (0, None),
    (1, Some(0)),
    (100, Some(4)),
    (1 << 40, Some(1)),
    (i64::MAX.unsigned_abs(), None),
    (u64::MAX, Some(u64::MAX)),
];

/// Four images of 100 bytes together.
fn four() -> [CachedImage; 4] {
    [10, 20, 30, 40].map(|size| image(&format!("image-{size}"), size))
}

fn victims_cover(fixture: &Fixture, bytes_needed: u64, held: CacheSize) -> Verdict {
    let victims = fixture.victims_of(bytes_needed, Some(held))?;
    let bytes: u64 = victims.iter().map(|victim| victim.size).sum();
    holds(bytes >= bytes_needed, format!("victims for {bytes_needed} bytes"), &victims)
}

pub(super) fn victims_are_named_for_every_limit(mut fixture: Fixture) -> Verdict {
    for (bytes, images) in LIMITS {
        fixture = fixture.with_limits(bytes, images)?;
        fixture.add_all(&four())?;
        fixture.admits("new", Some(50), at(1))?;
        fixture.hit("image-10", at(2))?;
        for bytes_needed in [1, 50, 100] {
            victims_cover(&fixture, bytes_needed, CacheSize { images: 4, bytes: 100 })?;
        }
        fixture.remove(&["image-10", "image-20", "image-30", "image-40"])?;
    }
    Ok(())
}

pub(super) fn records_stay_when_the_limits_change(mut fixture: Fixture) -> Verdict {
    fixture.add_all(&four())?;
    for (bytes, images) in LIMITS {
        fixture = fixture.with_limits(bytes, images)?;
        equal("the list", &fixture.list()?, &four().to_vec())?;
    }
    Ok(())
}

/// The host counts files: one can be without a record, and a record without its file.
pub(super) fn victims_are_named_when_the_host_counted_otherwise(fixture: Fixture) -> Verdict {
    fixture.add_all(&four())?;
    for (images, bytes) in [(0, 0), (1, 1), (5, 1 << 40), (u64::MAX, u64::MAX)] {
        victims_cover(&fixture, 50, CacheSize { images, bytes })?;
    }
    Ok(())
}
