//! Images that a command could not remove.

use crate::exit::print_message;
use image_cache::NotRemoved;
use serde::Serialize;

/// An image that could not be removed.
#[derive(Serialize)]
pub struct KeptImage<'a> {
    image_id: &'a str,
    reason: String,
}

/// The images that were kept; each is also reported on standard error.
pub fn report_kept(kept: &[NotRemoved]) -> Vec<KeptImage<'_>> {
    for NotRemoved { image_id, reason, .. } in kept {
        print_message("note", &format!("image {image_id} is still there: {reason}"));
    }
    kept.iter()
        .map(|kept| KeptImage { image_id: kept.image_id.as_str(), reason: kept.reason.to_string() })
        .collect()
}
