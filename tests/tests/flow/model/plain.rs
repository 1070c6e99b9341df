//! A simple model of the cache: lists in memory.

use super::operation::{Fetch, Id};
use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

/// The images of the model: the order of the ids differs from the order of the indices.
pub const IDS: [&str; 6] = ["zeta", "Alpha", "beta", "é", "a b", "10"];

/// A cached image.
pub struct Image {
    pub id: Id,
    pub bytes: Vec<u8>,
    pub hits: u64,
}

/// The result of a fetch.
#[derive(Debug, PartialEq, Eq)]
pub enum Fetched {
    Cached,
    AlreadyCached,
    Failed,
}

/// The expected state of the cache.
pub struct Plain {
    /// The least recently used first.
    pub images: Vec<Image>,
    pub queue: Vec<Id>,
    pub invalid: BTreeSet<Id>,
    pub max_size: u64,
    pub hit_delay: Duration,
}

impl Default for Plain {
    fn default() -> Self {
        let (images, queue, invalid) = (Vec::new(), Vec::new(), BTreeSet::new());
        Plain { images, queue, invalid, max_size: 4000, hit_delay: Duration::ZERO }
    }
}

impl Plain {
    pub fn image(&self, id: Id) -> Option<&Image> {
        self.images.iter().find(|image| image.id == id)
    }

    pub fn fetch(&mut self, fetch: &Fetch, good: bool, bytes: Vec<u8>) -> Fetched {
        if self.image(fetch.id).is_some() {
            // If it is drained, its source is not read; if it is read, it is verified nevertheless.
            return if good || fetch.drained { Fetched::AlreadyCached } else { Fetched::Failed };
        }
        if !good {
            self.invalid.insert(fetch.id);
            return Fetched::Failed;
        }
        self.dequeue(fetch.id);
        self.images.push(Image { id: fetch.id, bytes, hits: 0 });
        Fetched::Cached
    }

    pub fn read(&mut self, id: Id) -> Option<Vec<u8>> {
        self.read_range(id, &(0..u64::MAX))
    }

    pub fn read_range(&mut self, id: Id, range: &Range<u64>) -> Option<Vec<u8>> {
        let temp = self.images.iter().position(|image| image.id == id)?;
        let mut image = self.images.remove(temp);
        image.hits += 1;
        let cut = |end: u64| usize::try_from(end).unwrap_or(usize::MAX).min(image.bytes.len());
        let bytes = image.bytes[cut(range.start)..cut(range.end)].to_vec();
        self.images.push(image);
        Some(bytes)
    }

    pub fn queue(&mut self, id: Id) -> bool {
        let wanted = self.image(id).is_none() && !self.queue.contains(&id);
        if wanted {
            self.queue.push(id);
        }
        wanted
    }

    pub fn dequeue(&mut self, id: Id) -> bool {
        let temp = self.queue.iter().position(|queued| *queued == id);
        temp.map(|temp| self.queue.remove(temp)).is_some()
    }

    pub fn dequeue_all(&mut self) -> u64 {
        std::mem::take(&mut self.queue).len() as u64
    }

    pub fn delete(&mut self, id: Id) -> bool {
        let temp = self.images.iter().position(|image| image.id == id);
        temp.map(|temp| self.images.remove(temp)).is_some()
    }

    pub fn delete_all(&mut self) -> u64 {
        std::mem::take(&mut self.images).len() as u64
    }

    /// The evicted images and bytes, and the number of images that could not be removed.
    pub fn prune(&mut self) -> (u64, u64, usize) {
        let (mut images, mut bytes) = (0, 0);
        let size =
            |images: &[Image]| images.iter().map(|image| image.bytes.len() as u64).sum::<u64>();
        while size(&self.images) > self.max_size || (self.max_size == 0 && !self.images.is_empty())
        {
            bytes += self.images.remove(0).bytes.len() as u64;
            images += 1;
        }
        (images, bytes, 0)
    }

    pub fn clean(&mut self) -> u64 {
        std::mem::take(&mut self.invalid).len() as u64
    }
}
