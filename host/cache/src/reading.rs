//! Reading a cached image: whole or in part, locked against eviction, counted once when it was served.

mod load_or_build;
mod opening;
mod quarantine;

pub(crate) use load_or_build::{Verifier, load_or_build_with_progress};
pub(crate) use opening::open_locked;
pub(crate) use quarantine::quarantine;

use crate::cache::CacheInner;
use crate::error::{Error, Result};
use crate::hits::PendingHit;
use image_cache_model::ImageId;
use image_cache_store::integrity::{DIGEST_BLOCK, DigestTable};
use opening::open_verified;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;
use std::{fmt, io};

/// The bytes of a cached image, or of a part of it.
///
/// When the last byte that was asked for has been delivered, the read counts one hit, and the image is
/// the most recently used. A read that is abandoned before counts nothing. The image is not evicted
/// while it is read; deleted it may be, and is read to its end all the same.
///
/// Every block of 1 MiB is verified before a byte of it is handed out (unless `image_cache_verify_reads` is
/// off). A damaged image is an error that carries [`Error::Corrupt`], and is not cached any more. Reads of whole
/// blocks, at multiples of 1 MiB and of at least as many bytes, go straight into the caller's buffer; any
/// others through one block that is kept.
pub struct CachedReader {
    inner: Arc<CacheInner>,
    image_id: ImageId,
    file: Arc<File>,
    /// The part of the file that was asked for.
    range: Range<u64>,
    /// Where in the file the next read starts.
    position: u64,
    image_size: u64,
    /// What the bytes are compared with, unless reads are not verified.
    verifying: Option<Verifying>,
    /// The hit that this read will be.
    hit: Option<PendingHit>,
    /// Whether its bytes are counted as those of a fetch.
    reads_along: bool,
}

struct Verifying {
    table: Arc<DigestTable>,
    /// The bytes of one block, verified, and which one that is.
    block: Vec<u8>,
    block_number: Option<usize>,
}

impl CachedReader {
    pub(crate) fn open(
        inner: &Arc<CacheInner>,
        id: &ImageId,
        asked: Range<u64>,
    ) -> Result<Option<Self>> {
        let Some((file, table)) = open_verified(inner, id)? else { return Ok(None) };
        // A file that is cut short in this moment must not look like a whole one.
        let image_size = match &table {
            Some(table) => table.size(),
            None => file.metadata().map_err(Error::image("open", id))?.len(),
        };
        let start = asked.start.min(image_size);
        let range = start..asked.end.clamp(start, image_size);
        let file = Arc::new(file);
        let hit = PendingHit::on(inner, id, &file);
        let verifying =
            table.map(|table| Verifying { table, block: Vec::new(), block_number: None });
        Ok(Some(CachedReader {
            inner: Arc::clone(inner),
            image_id: id.clone(),
            file,
            position: range.start,
            range,
            image_size,
            verifying,
            hit: Some(hit),
            reads_along: false,
        }))
    }

    /// Bytes that this reader delivers in all: of the image, or of the part that was asked for.
    pub fn size(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// The image that is read.
    pub(crate) fn image_id(&self) -> &ImageId {
        &self.image_id
    }

    /// Bytes in the whole image.
    pub fn image_size(&self) -> u64 {
        self.image_size
    }

    /// When the file that it reads was last changed: another one under the same name has another time.
    pub fn modified(&self) -> io::Result<SystemTime> {
        self.file.metadata()?.modified()
    }

    /// Bytes that are still to be delivered from where it stands.
    #[cfg(feature = "tokio")]
    pub(crate) fn remaining(&self) -> u64 {
        self.range.end.saturating_sub(self.position)
    }

    /// The memory that it may take in tokio.
    #[cfg(feature = "tokio")]
    pub(crate) fn read_budget(&self) -> &crate::tokio::ReadBudget {
        &self.inner.read_budget
    }

    /// What it reads from, for a reader that goes on elsewhere.
    pub(crate) fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Whether the last byte that was asked for has been read.
    pub(crate) fn is_complete(&self) -> bool {
        self.position == self.range.end
    }

    /// Leaves it to the caller to count the hit, when the last byte has reached the client.
    pub(crate) fn detach_hit(&mut self) -> Option<PendingHit> {
        self.hit.take()
    }

    /// For a reader that read along with the fetch of the image so far: the hit is that reader's, and its bytes are the fetch's.
    pub(crate) fn reading_along(self) -> Self {
        CachedReader { hit: None, reads_along: true, ..self }
    }

    /// Has something read with this memory for the block that is kept, which is not kept any longer then; it is as long
    /// as a block before and after.
    #[cfg(feature = "tokio")]
    pub(crate) fn through_block<T>(
        &mut self,
        memory: &mut Vec<u8>,
        read: impl FnOnce(&mut Self) -> T,
    ) -> T {
        if self.verifying.is_none() {
            return read(self);
        }
        self.swap_block(std::mem::take(memory));
        let done = read(self);
        *memory = self.swap_block(Vec::new());
        memory.resize(DIGEST_BLOCK as usize, 0);
        done
    }

    /// Puts this memory in place of that of the block that is kept, if one is kept at all.
    #[cfg(feature = "tokio")]
    fn swap_block(&mut self, memory: Vec<u8>) -> Vec<u8> {
        let Some(verifying) = &mut self.verifying else { return memory };
        verifying.block_number = None;
        std::mem::replace(&mut verifying.block, memory)
    }

    /// Reads verified bytes: of one block at a time.
    fn read_verified(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let Some(Verifying { table, block, block_number }) = &mut self.verifying else {
            return self.file.read_at(buf, self.position);
        };
        let number = usize::try_from(self.position / DIGEST_BLOCK).unwrap_or(usize::MAX);
        let start = usize::try_from(self.position % DIGEST_BLOCK).unwrap_or(0);
        let len = table.block_len(number);
        if *block_number != Some(number) {
            let whole = buf.get_mut(..len).filter(|_| start == 0);
            if let Some(whole) = whole {
                read_block(&self.inner, &self.image_id, &self.file, table, number, whole)?;
                return Ok(len);
            }
            *block_number = None;
            block.resize(len, 0);
            read_block(&self.inner, &self.image_id, &self.file, table, number, block)?;
            *block_number = Some(number);
        }
        let verified = block.get(start..).unwrap_or_default();
        let count = verified.len().min(buf.len());
        buf[..count].copy_from_slice(&verified[..count]);
        Ok(count)
    }

    fn count_hit(&mut self) {
        if let Some(hit) = self.hit.take() {
            hit.count();
        }
    }
}

impl fmt::Debug for CachedReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CachedReader { image_id, range, position, .. } = self;
        f.debug_struct("CachedReader")
            .field("image_id", image_id)
            .field("range", range)
            .field("position", position)
            .finish_non_exhaustive()
    }
}

impl Read for CachedReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = self.range.end.saturating_sub(self.position);
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
        if wanted == 0 {
            // An empty image is served by finding its end.
            if self.range.is_empty() && !buf.is_empty() {
                self.count_hit();
            }
            return Ok(0);
        }
        let count = self.read_verified(&mut buf[..wanted])?;
        if count == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!(
                    "image {} was cut short on disk while it was read; delete it and fetch it again",
                    self.image_id
                ),
            ));
        }
        self.position += count as u64;
        let metrics = &self.inner.metrics;
        let source =
            if self.reads_along { &metrics.bytes_from_fetches } else { &metrics.bytes_from_cache };
        source.fetch_add(count as u64, Ordering::Relaxed);
        if self.position == self.range.end {
            self.count_hit();
        }
        Ok(count)
    }
}

impl Seek for CachedReader {
    /// Positions are relative to the part that was asked for.
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => self.range.start.checked_add(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
            SeekFrom::End(offset) => self.range.end.checked_add_signed(offset),
        };
        let target = target.filter(|target| *target >= self.range.start);
        self.position = target.ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("cannot seek to {to:?}: before the start, or too far"),
            )
        })?;
        Ok(self.position - self.range.start)
    }
}

/// Reads a block of an image, and verifies it; the buffer has the block's length. A damaged image leaves the
/// cache.
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
    match file.read_exact_at(buf, start) {
        Ok(()) if table.check(block, buf) => {}
        Ok(()) => {
            // A careless caller must not take these bytes for the image.
            buf.fill(0);
            inner.metrics.counters().corrupt_blocks += 1;
            let end = start + buf.len() as u64;
            let reason = format!("bytes {start} to {end} are not those that were cached");
            return Err(quarantine(inner, id, file, reason));
        }
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
            inner.metrics.counters().corrupt_blocks += 1;
            let reason = format!("it was cut short, to less than {} bytes", table.size());
            return Err(quarantine(inner, id, file, reason));
        }
        Err(e) => return Err(Error::image("read", id)(e)),
    }
    if table.take_unsaved() {
        inner.digests.save(id, file, table);
    }
    Ok(())
}
