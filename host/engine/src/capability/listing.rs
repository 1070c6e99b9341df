//! A pass over the cached images, which a driver continues page by page.

use image_cache_model::ImageId;
use image_cache_store::{FileInfo, Scan};
use std::{io, vec};

/// A pass over the cached images.
pub enum Listing {
    /// Reads the cache directory.
    Scan(Scan),
    /// The images of a simulation when the pass started.
    Simulated(vec::IntoIter<(ImageId, FileInfo)>),
}

impl Iterator for Listing {
    type Item = io::Result<(ImageId, FileInfo)>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Listing::Scan(scan) => scan.next(),
            Listing::Simulated(images) => images.next().map(Ok),
        }
    }
}
