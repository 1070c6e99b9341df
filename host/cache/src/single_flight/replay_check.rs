//! What a reader has handed out, and whether what comes after it started over is the same.

use super::partial_bytes::PartialBytes;
use image_cache_model::ImageId;
use std::io;

/// Bytes that are compared at once.
const PART: usize = 64 * 1024;

/// How much of an image a reader has handed out.
///
/// If the reader starts over, all of it comes again, to be compared and not to be handed out.
pub(crate) struct ReplayCheck {
    image_id: ImageId,
    /// Where in the image the first of them lies.
    start: u64,
    bytes: u64,
    /// While they come again: where they stand, and how many have come and were the same.
    compared: Option<(PartialBytes, u64)>,
}

impl ReplayCheck {
    /// Nothing yet, of what begins at `start`.
    pub fn nothing(image_id: ImageId, start: u64) -> Self {
        ReplayCheck { image_id, start, bytes: 0, compared: None }
    }

    /// Takes what comes (nothing is the end), and answers how many of its first bytes were handed out
    /// before; the others are handed out now.
    ///
    /// # Errors
    /// It differs from what was handed out, or ends before that.
    pub fn take(&mut self, received: &[u8]) -> io::Result<usize> {
        let Some((from, compared)) = &mut self.compared else {
            self.bytes += received.len() as u64;
            return Ok(0);
        };
        let left = usize::try_from(self.bytes - *compared).unwrap_or(usize::MAX);
        let again = &received[..left.min(received.len())];
        if again.is_empty() || !is_same(from, again, self.start + *compared)? {
            return Err(different(&self.image_id));
        }
        *compared += again.len() as u64;
        if *compared == self.bytes {
            self.compared = None;
        }
        self.bytes += (received.len() - again.len()) as u64;
        Ok(again.len())
    }

    /// Whether what comes is compared with what was handed out.
    pub fn is_compared(&self) -> bool {
        self.compared.is_some()
    }

    /// The reader starts over. What it handed out stands in `from`.
    pub fn start_over(&mut self, from: PartialBytes) {
        match &mut self.compared {
            // Not all of it had come again; what had was the same.
            Some((_, compared)) => *compared = 0,
            None if self.bytes == 0 => {}
            None => self.compared = Some((from, 0)),
        }
    }
}

/// Whether these bytes are those that stand in `from` at this position.
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

fn different(id: &ImageId) -> io::Error {
    let words = format!(
        "image {id} had to be fetched anew, and what comes is not what this reader has got already; read it again from its beginning"
    );
    io::Error::new(io::ErrorKind::InvalidData, words)
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
