//! A cached image as a stream: its blocks are read and verified on threads that may block, one ahead of whoever reads.

use super::buffer::Buffer;
use super::off_runtime::OffRuntime;
use super::read_budget::Ahead;
use super::{ImageStream, joined};
use crate::reading::CachedReader;
use bytes::Bytes;
use futures_util::stream;
use image_cache_store::integrity::DIGEST_BLOCK;
use std::io::{self, Read};
use tokio::task::{JoinHandle, spawn_blocking};

/// Bytes that are read and verified at once.
pub(super) const CHUNK: usize = DIGEST_BLOCK as usize;

pub(super) type Reading = OffRuntime<CachedReader>;

/// The next bytes, none at the end, and the reader where it has more.
type Brought = io::Result<(Bytes, Option<Reading>)>;

enum Cached {
    At(Reading),
    Ahead(JoinHandle<Brought>, #[expect(dead_code, reason = "it is given back by its drop")] Ahead),
    Ended,
}

pub(super) fn chunks(reader: Reading) -> ImageStream {
    Box::pin(stream::try_unfold(Cached::At(reader), Cached::next))
}

impl Cached {
    async fn next(self) -> io::Result<Option<(Bytes, Self)>> {
        let (bytes, reader) = match self {
            Cached::At(reader) => match reader.read_budget().block_within(room(&reader)) {
                Some(buffer) => {
                    joined(spawn_blocking(|| read(reader.into_inner(), buffer))).await?
                }
                None => in_turn(reader).await?,
            },
            Cached::Ahead(job, _) => joined(job).await?,
            Cached::Ended => return Ok(None),
        };
        Ok((!bytes.is_empty()).then(|| (bytes, reader.map_or(Cached::Ended, Cached::go_on))))
    }

    fn go_on(reader: Reading) -> Cached {
        let Some(permit) = reader.read_budget().ahead() else { return Cached::At(reader) };
        match reader.read_budget().block_within(room(&reader)) {
            Some(buffer) => {
                Cached::Ahead(spawn_blocking(|| read(reader.into_inner(), buffer)), permit)
            }
            None => Cached::At(reader),
        }
    }
}

/// The bytes that are left.
fn room(reader: &Reading) -> usize {
    usize::try_from(reader.left()).unwrap_or(usize::MAX)
}

/// As much as can be read at once: a block, or the rest of one.
fn read(mut reader: CachedReader, mut buffer: Buffer) -> Brought {
    let filled = read_some(&mut reader, buffer.room())?;
    Ok((buffer.filled_to(filled), more_of(reader)))
}

/// A piece of a block, which is verified as a whole and then let go: of very many clients, most wait for their network,
/// and none is to keep a block in memory meanwhile. The price is that each block is read and verified once for each piece.
async fn in_turn(reader: Reading) -> Brought {
    let budget = reader.read_budget().clone();
    let _turn = budget.turn().await;
    let (mut piece, room) = (budget.piece(room(&reader)), budget.clone());
    let read = move || {
        let (mut reader, mut block) = (reader.into_inner(), room.block(CHUNK));
        let filled =
            reader.through_block(block.lent(), |reader| read_some(reader, piece.room()))?;
        Ok((piece.filled_to(filled), more_of(reader)))
    };
    joined(spawn_blocking(read)).await
}

fn read_some(reader: &mut CachedReader, room: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(room) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

fn more_of(reader: CachedReader) -> Option<Reading> {
    (reader.left() > 0).then(|| OffRuntime::new(reader))
}
