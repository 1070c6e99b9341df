//! Large hits of very many clients at once, in little memory.

use bytes::Bytes;
use futures_util::stream::{self, TryStreamExt};
use image_cache::tokio::ImageStream;
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Semaphore;

/// While more than so many are served, each is handed its blocks in pieces.
const MANY: usize = 12;

/// Bytes of a piece.
const PIECE: usize = 128 << 10;

/// So many blocks are read at once, beside those that the cache reads ahead.
static TURNS: Semaphore = Semaphore::const_new(4);

static SERVED: AtomicUsize = AtomicUsize::new(0);

/// Pieces to be used again, while there are many clients: given back to the allocator, they would lie about in each
/// thread's share of memory.
static SPARE: Mutex<Vec<Box<[u8]>>> = Mutex::new(Vec::new());

/// One that is served.
struct Served;

impl Served {
    fn one_more() -> Served {
        SERVED.fetch_add(1, Ordering::Relaxed);
        Served
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if SERVED.fetch_sub(1, Ordering::Relaxed) == MANY + 1 {
            drop(std::mem::take(&mut *spare()));
        }
    }
}

struct Sparing {
    blocks: ImageStream,
    /// What was read and not handed out yet.
    pieces: VecDeque<Bytes>,
    _served: Served,
}

/// The same bytes. Of very many clients none holds more of a block than it has yet to take, since most of them wait for
/// their network.
pub fn sparing(blocks: ImageStream) -> ImageStream {
    let sparing = Sparing { blocks, pieces: VecDeque::new(), _served: Served::one_more() };
    Box::pin(stream::try_unfold(sparing, Sparing::next))
}

impl Sparing {
    async fn next(mut self) -> io::Result<Option<(Bytes, Self)>> {
        if self.pieces.is_empty() {
            // Nobody closes it.
            let _turn = TURNS.acquire().await.map_err(io::Error::other)?;
            let Some(block) = self.blocks.try_next().await? else { return Ok(None) };
            self.pieces = apportioned(block);
        }
        Ok(self.pieces.pop_front().map(|piece| (piece, self)))
    }
}

fn apportioned(block: Bytes) -> VecDeque<Bytes> {
    match SERVED.load(Ordering::Relaxed) <= MANY {
        true => [block].into(),
        false => block.chunks(PIECE).map(Piece::of).collect(),
    }
}

struct Piece {
    room: Box<[u8]>,
    used: usize,
}

impl Piece {
    fn of(bytes: &[u8]) -> Bytes {
        let spare = spare().pop();
        let mut room = spare.unwrap_or_else(|| vec![0; PIECE].into());
        room[..bytes.len()].copy_from_slice(bytes);
        Bytes::from_owner(Piece { room, used: bytes.len() })
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.room[..self.used]
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        if SERVED.load(Ordering::Relaxed) > MANY {
            spare().push(std::mem::take(&mut self.room));
        }
    }
}

fn spare() -> MutexGuard<'static, Vec<Box<[u8]>>> {
    SPARE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt;

    #[tokio::test]
    async fn pieces_are_the_block_and_an_error_comes_after_all_of_them() {
        let block = Bytes::from((0..(PIECE * 3 + 1)).map(|at| at as u8).collect::<Vec<_>>());
        let _others: Vec<_> = (0..MANY).map(|_| Served::one_more()).collect();
        let read = vec![Ok(block.clone()), Err(io::ErrorKind::NotFound.into())];
        let taken: Vec<_> = sparing(Box::pin(stream::iter(read))).collect().await;
        let pieces: Vec<Bytes> =
            taken.iter().map_while(|piece| piece.as_ref().ok().cloned()).collect();
        assert_eq!((pieces.len(), taken.len()), (4, 5));
        assert_eq!(pieces.concat(), block);
    }
}
