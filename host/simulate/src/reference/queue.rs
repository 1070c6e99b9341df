//! A queue of images by their numbers, from which any image can be removed in constant time.

/// No image.
const NONE: u32 = u32::MAX;

/// A doubly linked list in two arrays.
pub(super) struct Queue {
    /// The image that was added before, by number.
    older: Vec<u32>,
    /// The image that was added after.
    newer: Vec<u32>,
    is_in: Vec<bool>,
    oldest: u32,
    newest: u32,
}

impl Queue {
    /// An empty queue for numbers below `images`.
    pub fn new(images: usize) -> Self {
        let links = || vec![NONE; images];
        Queue {
            older: links(),
            newer: links(),
            is_in: vec![false; images],
            oldest: NONE,
            newest: NONE,
        }
    }

    /// The image that was added first.
    pub fn oldest(&self) -> Option<u32> {
        some(self.oldest)
    }

    /// The image that was added after this one.
    pub fn newer(&self, image: u32) -> Option<u32> {
        some(self.newer[image as usize])
    }

    pub fn contains(&self, image: u32) -> bool {
        self.is_in[image as usize]
    }

    /// Adds an image that is not in the queue.
    pub fn push(&mut self, image: u32) {
        self.is_in[image as usize] = true;
        (self.older[image as usize], self.newer[image as usize]) = (self.newest, NONE);
        match some(self.newest) {
            Some(newest) => self.newer[newest as usize] = image,
            None => self.oldest = image,
        }
        self.newest = image;
    }

    /// Removes an image; returns whether it was in the queue.
    pub fn remove(&mut self, image: u32) -> bool {
        if !std::mem::take(&mut self.is_in[image as usize]) {
            return false;
        }
        let (older, newer) = (self.older[image as usize], self.newer[image as usize]);
        match some(older) {
            Some(older) => self.newer[older as usize] = newer,
            None => self.oldest = newer,
        }
        match some(newer) {
            Some(newer) => self.older[newer as usize] = older,
            None => self.newest = older,
        }
        true
    }

    /// Removes the image that was added first.
    pub fn pop(&mut self) -> Option<u32> {
        let oldest = self.oldest()?;
        self.remove(oldest);
        Some(oldest)
    }

    /// Moves an image to the end, if it is in the queue.
    pub fn renew(&mut self, image: u32) {
        if self.remove(image) {
            self.push(image);
        }
    }
}

fn some(image: u32) -> Option<u32> {
    (image != NONE).then_some(image)
}
