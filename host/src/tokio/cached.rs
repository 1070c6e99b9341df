//! A cached image as a stream: its blocks are read and verified on threads that may block, one ahead of whoever reads.

use super::off_runtime::OffRuntime;
use super::{ImageStream, joined};
use crate::blocks::BLOCK;
use crate::reading::CachedReader;
use crate::sync::lock;
use bytes::Bytes;
use futures_util::stream;
use std::io::{self, Read};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::task::{JoinHandle, spawn_blocking};

/// Bytes that are read and verified at once.
pub(super) const CHUNK: usize = BLOCK as usize;

/// Blocks that may be read ahead in this process: no memory for each of very many readers.
const AT_MOST: usize = 8;

/// Spare buffers that are kept.
const KEPT: usize = 24;

/// Blocks that are being read ahead, or were.
static AHEAD: AtomicUsize = AtomicUsize::new(0);

/// Buffers of one block's length each, to be used again: fresh ones would have to be cleared.
static SPARE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

pub(super) type Reading = OffRuntime<CachedReader>;

/// The next bytes, none at the end, and the reader where it has more.
type Brought = io::Result<(Bytes, Option<Reading>)>;

enum Cached {
    At(Reading),
    Ahead(
        JoinHandle<Brought>,
        #[expect(dead_code, reason = "it is given back by its drop")] Permit,
    ),
    Ended,
}

pub(super) fn chunks(reader: Reading) -> ImageStream {
    Box::pin(stream::try_unfold(Cached::At(reader), Cached::next))
}

impl Cached {
    async fn next(self) -> io::Result<Option<(Bytes, Self)>> {
        let (bytes, reader) = match self {
            Cached::At(reader) => joined(spawn_blocking(|| read(reader.into_inner()))).await?,
            Cached::Ahead(job, _) => joined(job).await?,
            Cached::Ended => return Ok(None),
        };
        Ok((!bytes.is_empty()).then(|| (bytes, reader.map_or(Cached::Ended, Cached::go_on))))
    }

    fn go_on(reader: Reading) -> Cached {
        match Permit::of(&AHEAD) {
            Some(permit) => Cached::Ahead(spawn_blocking(|| read(reader.into_inner())), permit),
            None => Cached::At(reader),
        }
    }
}

fn read(mut reader: CachedReader) -> Brought {
    let mut buffer = Buffer::of(usize::try_from(reader.left()).unwrap_or(usize::MAX));
    buffer.filled = loop {
        match reader.read(&mut buffer.bytes) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => break other?,
        }
    };
    let reader = (reader.left() > 0).then(|| OffRuntime::new(reader));
    Ok((Bytes::from_owner(buffer), reader))
}

/// Leave to read a block ahead.
struct Permit(&'static AtomicUsize);

impl Permit {
    fn of(given: &'static AtomicUsize) -> Option<Permit> {
        let one_more = |given| (given < AT_MOST).then_some(given + 1);
        let taken = given.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        taken.is_ok().then_some(Permit(given))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Bytes in memory that is used again.
pub(super) struct Buffer {
    bytes: Vec<u8>,
    filled: usize,
}

impl Buffer {
    /// With room for so many bytes, or for a block.
    pub fn of(bytes: usize) -> Buffer {
        let used = if bytes < CHUNK { None } else { lock(&SPARE).pop() };
        Buffer { bytes: used.unwrap_or_else(|| vec![0; bytes.clamp(1, CHUNK)]), filled: 0 }
    }

    pub fn room(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// All of it: the bytes of a predecessor, too, where none came in their place.
    pub fn filled_up(mut self) -> Bytes {
        self.filled = self.bytes.len();
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.filled).unwrap_or_default()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut spare = lock(&SPARE);
        if self.bytes.len() == CHUNK && spare.len() < KEPT {
            spare.push(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_read_ahead_than_is_allowed_and_what_is_given_back_is_given_again() {
        static GIVEN: AtomicUsize = AtomicUsize::new(0);
        let mut permits: Vec<_> = (0..AT_MOST).map_while(|_| Permit::of(&GIVEN)).collect();
        assert!(permits.len() == AT_MOST && Permit::of(&GIVEN).is_none());
        permits.pop();
        assert!(Permit::of(&GIVEN).is_some() && Permit::of(&GIVEN).is_some());
    }

    #[test]
    fn a_used_buffer_shows_only_what_was_read_into_it() {
        let mut used = Buffer::of(CHUNK);
        used.bytes.fill(7);
        used.filled = CHUNK;
        drop(used);
        let fresh = Buffer::of(usize::MAX);
        assert!(fresh.as_ref().is_empty() && fresh.bytes.len() == CHUNK);
        assert_eq!(Buffer::of(10).bytes.len(), 10, "a small image needs no block");
    }
}
