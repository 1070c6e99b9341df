//! What a reader has handed out, and whether what comes after it started over is the same.

use super::partial_bytes::PartialBytes;
use image_cache_model::ImageId;
use std::io;

/// Bytes that are compared at once.
const PART: usize = 64 * 1024;

/// How much of an image a reader has handed out.
pub(crate) struct ReplayCheck {
    image_id: ImageId,
    /// Where in the image the first of them lies.
    start: u64,
    bytes: u64,
    handed_out: Option<HandedOut>,
}

/// What was handed out before the reader started over: it comes again, to be compared and not to be handed out.
struct HandedOut {
    from: PartialBytes,
    start: u64,
    bytes: u64,
    compared: u64,
}

impl ReplayCheck {
    /// Nothing yet, of what begins at `start`.
    pub fn nothing(image_id: ImageId, start: u64) -> Self {
        ReplayCheck { image_id, start, bytes: 0, handed_out: None }
    }

    /// Takes what comes (nothing is the end), and answers how many of its first bytes were handed out
    /// before; the others are handed out now.
    ///
    /// # Errors
    /// It differs from what was handed out, or ends before that.
    pub fn take(&mut self, received: &[u8]) -> io::Result<usize> {
        let known = match &mut self.handed_out {
            None => 0,
            Some(handed_out) => {
                handed_out.compare(received)?.ok_or_else(|| different(&self.image_id))?
            }
        };
        if self
            .handed_out
            .as_ref()
            .is_some_and(|handed_out| handed_out.compared == handed_out.bytes)
        {
            self.handed_out = None;
        }
        self.bytes += (received.len() - known) as u64;
        Ok(known)
    }

    /// Whether what comes is compared with what was handed out.
    #[cfg(feature = "tokio")]
    pub fn is_compared(&self) -> bool {
        self.handed_out.is_some()
    }

    /// The reader starts over. What it handed out stands in `from`.
    pub fn start_over(&mut self, from: PartialBytes) {
        match &mut self.handed_out {
            // Not all of it had come again; what had was the same.
            Some(handed_out) => handed_out.compared = 0,
            None if self.bytes == 0 => {}
            None => {
                let (start, bytes) = (self.start, self.bytes);
                self.handed_out = Some(HandedOut { from, start, bytes, compared: 0 });
            }
        }
    }
}

impl HandedOut {
    /// How many of these bytes were handed out before; nothing if they are not the same.
    fn compare(&mut self, received: &[u8]) -> io::Result<Option<usize>> {
        if received.is_empty() {
            return Ok(None);
        }
        let left = usize::try_from(self.bytes - self.compared).unwrap_or(usize::MAX);
        let again = &received[..left.min(received.len())];
        let mut known = vec![0; again.len().min(PART)];
        for part in again.chunks(PART) {
            let known = &mut known[..part.len()];
            read_exact_at(&self.from, known, self.start + self.compared)?;
            if known != part {
                return Ok(None);
            }
            self.compared += part.len() as u64;
        }
        Ok(Some(again.len()))
    }
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
