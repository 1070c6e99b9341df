//! Reads of one block of a cached image, which is verified before a caller gets it.

use super::quarantine;
use crate::cache::CacheInner;
use crate::error::{Damage, Error, Result};
use image_cache_model::ImageId;
use image_cache_store::integrity::{DIGEST_BLOCK, DigestTable};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Reads and verifies a block of an image; the buffer has the block's length. Quarantines a damaged image.
pub(crate) fn read_block(
    inner: &CacheInner,
    id: &ImageId,
    file: &File,
    table: &DigestTable,
    block: usize,
    buf: &mut [u8],
) -> Result<()> {
    let _span = tracing::trace_span!("read", image = %id, block).entered();
    let start = block as u64 * DIGEST_BLOCK;
    let read = file.read_exact_at(buf, start);
    let checked = check_block(inner, id, file, table, block, read.map(|()| &*buf));
    // A caller that ignores the error must not get the damaged bytes.
    checked.inspect_err(|_| buf.fill(0))
}

/// The same for a block that is appended to `bytes`; after an error they are as before.
pub(super) fn append_block(
    inner: &CacheInner,
    id: &ImageId,
    file: &File,
    table: &DigestTable,
    block: usize,
    bytes: &mut Vec<u8>,
) -> Result<()> {
    let _span = tracing::trace_span!("read", image = %id, block).entered();
    let (before, at) = (bytes.len(), block as u64 * DIGEST_BLOCK);
    let read = append_exact_at(file, at, table.block_len(block), bytes);
    let checked = check_block(inner, id, file, table, block, read.map(|()| &bytes[before..]));
    checked.inspect_err(|_| bytes.truncate(before))
}

/// Appends this number of bytes of a file.
fn append_exact_at(file: &File, at: u64, count: usize, bytes: &mut Vec<u8>) -> io::Result<()> {
    let end = bytes.len() + count;
    bytes.reserve(count);
    while bytes.len() < end {
        let offset = at + (count - (end - bytes.len())) as u64;
        match rustix::io::pread(file, rustix::buffer::spare_capacity(bytes), offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    // There may be more capacity than was asked for.
    bytes.truncate(end);
    Ok(())
}

/// Verifies the bytes of a block, or why they could not be read. Quarantines a damaged image.
fn check_block(
    inner: &CacheInner,
    id: &ImageId,
    file: &File,
    table: &DigestTable,
    block: usize,
    read: io::Result<&[u8]>,
) -> Result<()> {
    match read {
        Ok(bytes) if table.check(block, bytes) => {}
        Ok(bytes) => {
            inner.metrics.counters().corrupt_blocks += 1;
            let start = block as u64 * DIGEST_BLOCK;
            let end = start + bytes.len() as u64;
            return Err(quarantine(inner, id, file, Damage::Bytes { start, end }));
        }
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
            inner.metrics.counters().corrupt_blocks += 1;
            let damage = Damage::CutShort { expected: table.size() };
            return Err(quarantine(inner, id, file, damage));
        }
        Err(e) => return Err(Error::image("read", id)(e)),
    }
    if table.take_unsaved() {
        inner.digests.save(id, file, table);
    }
    Ok(())
}
