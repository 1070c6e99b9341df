//! Pins: images that an operator protects from eviction.

use super::ImageCache;
use crate::error::Result;
use image_cache_store::{Pin, PinnedImage, names};

impl ImageCache {
    /// Protects an image from eviction until the pin's end, also if it is cached later. An image can have several pins, each with
    /// a name; it stays as long as one is left. A pin of the same name is replaced. Pins do not prevent deletion.
    ///
    /// ```
    /// use image_cache::{Config, Expected, ImageCache, Pin};
    /// # let scratch = tempfile::tempdir()?;
    /// # let directory = scratch.path().join("cache");
    /// let cache = ImageCache::open(Config::builder(directory).max_size(0).build()?)?;
    /// cache.cache_image("cirros", &b"an image"[..], Expected::nothing())?;
    /// cache.pin_image("cirros", Pin::new("rescue", None))?;
    /// assert_eq!(cache.prune()?.images, 0);
    /// assert_eq!(cache.unpin_image("cirros", Some("rescue"))?, 1);
    /// assert_eq!(cache.prune()?.images, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the pin's name is not valid, there are too many pins, or it cannot be written.
    pub fn pin_image(&self, id: &str, pin: Pin) -> Result<()> {
        self.inner()?.of_image("pin", id, |directory, id| directory.pin(id, pin))
    }

    /// Removes the image's pin of this name, or all of its pins; returns the number of removed pins.
    pub fn unpin_image(&self, id: &str, name: Option<&str>) -> Result<usize> {
        self.inner()?.of_image("unpin", id, |directory, id| directory.unpin(id, name))
    }

    /// The pinned images, ascending by id. They need not be cached.
    pub fn pinned_images(&self) -> Result<Vec<PinnedImage>> {
        let pins = self.inner()?.directory.pins();
        let pinned = pins.and_then(|pins| pins.list(None, usize::MAX));
        self.inner()?.in_directory("read", names::PINS, pinned)
    }
}
