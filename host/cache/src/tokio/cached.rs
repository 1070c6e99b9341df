//! A cached image as a stream: blocking threads read and verify its blocks, one ahead of the reader.

use super::blocking::joined;
use super::buffer::Buffer;
use super::off_runtime::OffRuntime;
use super::read_budget::{Ahead, VERIFIED_CHUNK};
use super::stream::ImageStream;
use crate::reading::CachedReader;
use bytes::Bytes;
use futures_util::stream;
use std::io::{self, Read};
use tokio::task::{JoinHandle, spawn_blocking};

pub(super) type OffRuntimeReader = OffRuntime<CachedReader>;

/// The next bytes, none at the end, and the reader if it has more.
type ReadAhead = io::Result<(Bytes, Option<OffRuntimeReader>)>;

enum CachedChunks {
    At(OffRuntimeReader),
    Ahead(
        JoinHandle<ReadAhead>,
        #[expect(dead_code, reason = "its drop returns the permit")] Ahead,
    ),
    Ended,
}

pub(super) fn chunks(reader: OffRuntimeReader) -> ImageStream {
    Box::pin(stream::try_unfold(CachedChunks::At(reader), CachedChunks::next))
}

impl CachedChunks {
    async fn next(self) -> io::Result<Option<(Bytes, Self)>> {
        let (bytes, reader) = match self {
            CachedChunks::At(reader) => match reader.read_budget().block_within(room(&reader)) {
                Some(buffer) => {
                    joined(spawn_blocking(|| read(reader.into_inner(), buffer))).await?
                }
                None => read_piece(reader).await?,
            },
            CachedChunks::Ahead(job, _) => joined(job).await?,
            CachedChunks::Ended => return Ok(None),
        };
        Ok((!bytes.is_empty())
            .then(|| (bytes, reader.map_or(CachedChunks::Ended, CachedChunks::read_ahead_of))))
    }

    fn read_ahead_of(reader: OffRuntimeReader) -> CachedChunks {
        let Some(permit) = reader.read_budget().ahead() else { return CachedChunks::At(reader) };
        match reader.read_budget().block_within(room(&reader)) {
            Some(buffer) => {
                CachedChunks::Ahead(spawn_blocking(|| read(reader.into_inner(), buffer)), permit)
            }
            None => CachedChunks::At(reader),
        }
    }
}

/// The remaining bytes.
fn room(reader: &OffRuntimeReader) -> usize {
    usize::try_from(reader.left()).unwrap_or(usize::MAX)
}

/// Reads as much as possible at once: a block, or the rest of one.
fn read(mut reader: CachedReader, mut buffer: Buffer) -> ReadAhead {
    let filled = read_some(&mut reader, buffer.room())?;
    Ok((buffer.filled_to(filled), more_of(reader)))
}

/// Reads a piece of a block; the whole block is verified and then released. With very many clients, most wait for their network,
/// and must not keep a block in memory meanwhile. The cost is that each block is read and verified once per piece.
async fn read_piece(reader: OffRuntimeReader) -> ReadAhead {
    let budget = reader.read_budget().clone();
    let _permit = budget.piece_permit().await;
    let (mut piece, room) = (budget.piece(room(&reader)), budget.clone());
    let read = move || {
        let (mut reader, mut block) = (reader.into_inner(), room.block(VERIFIED_CHUNK));
        let filled =
            reader.through_block(block.memory_mut(), |reader| read_some(reader, piece.room()))?;
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

fn more_of(reader: CachedReader) -> Option<OffRuntimeReader> {
    (reader.left() > 0).then(|| OffRuntime::new(reader))
}
