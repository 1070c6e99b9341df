//! Checks after a restart that a reader gets the same bytes as before.

use super::partial_bytes::PartialBytes;
use crate::error::Error;
use image_cache_model::ImageId;
use std::io;

/// Number of bytes that are compared at once.
const PART: usize = 64 * 1024;

/// The bytes of an image that a reader has returned.
///
/// If the reader starts over, these bytes arrive again: they are compared and not returned.
pub(crate) struct ReplayCheck {
    image_id: ImageId,
    /// The position of the first of them in the image.
    start: u64,
    bytes: u64,
    /// While they arrive again: the earlier bytes, and how many were equal so far.
    compared: Option<(PartialBytes, u64)>,
}

impl ReplayCheck {
    /// Starts with no bytes, at this position.
    pub fn nothing(image_id: ImageId, start: u64) -> Self {
        ReplayCheck { image_id, start, bytes: 0, compared: None }
    }

    /// Takes the next bytes (none means the end), and returns how many of the first ones were already returned; the others are
    /// new.
    ///
    /// # Errors
    /// If they differ from the earlier bytes, or end before them.
    pub fn take(&mut self, received: &[u8]) -> io::Result<usize> {
        let Some((from, compared)) = &mut self.compared else {
            self.bytes += received.len() as u64;
            return Ok(0);
        };
        let left = usize::try_from(self.bytes - *compared).unwrap_or(usize::MAX);
        let again = &received[..left.min(received.len())];
        if again.is_empty() || !is_same(from, again, self.start + *compared)? {
            return Err(Error::Changed { image_id: self.image_id.clone() }.into());
        }
        *compared += again.len() as u64;
        if *compared == self.bytes {
            self.compared = None;
        }
        self.bytes += (received.len() - again.len()) as u64;
        Ok(again.len())
    }

    /// The number of bytes that the reader has got.
    pub fn returned(&self) -> u64 {
        self.bytes
    }

    /// Whether the next bytes are compared with earlier ones.
    pub fn is_compared(&self) -> bool {
        self.compared.is_some()
    }

    /// The reader starts over. `from` contains the bytes that it has returned.
    pub fn start_over(&mut self, from: PartialBytes) {
        match &mut self.compared {
            // The previous comparison had not finished; it found no difference.
            Some((_, compared)) => *compared = 0,
            None if self.bytes == 0 => {}
            None => self.compared = Some((from, 0)),
        }
    }
}

/// Whether `from` contains these bytes at this position.
fn is_same(from: &PartialBytes, bytes: &[u8], mut position: u64) -> io::Result<bool> {
    let mut known = vec![0; bytes.len().min(PART)];
    for part in bytes.chunks(PART) {
        let known = &mut known[..part.len()];
        read_exact_at(from, known, position)?;
        if known != part {
            return Ok(false);
        }
        position += part.len() as u64;
    }
    Ok(true)
}

fn read_exact_at(from: &PartialBytes, mut buf: &mut [u8], mut position: u64) -> io::Result<()> {
    while !buf.is_empty() {
        match from.read_at(buf, position)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                buf = &mut buf[count..];
                position += count as u64;
            }
        }
    }
    Ok(())
}
