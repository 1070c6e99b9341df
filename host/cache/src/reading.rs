//! Reads of a cached image or a range of it, locked against eviction; each complete read counts one hit.

mod block;
mod cached_file;
mod load_or_build;
mod opening;
mod quarantine;

pub(crate) use block::read_block;
pub use cached_file::CachedFile;
pub(crate) use load_or_build::{Verifier, load_or_build_with_progress};
pub(crate) use opening::open_locked;
pub(crate) use quarantine::quarantine;

use crate::cache::CacheInner;
use crate::error::{Error, Result};
use crate::hits::PendingHit;
use block::append_block;
use image_cache_model::{ImageId, Requester};
use image_cache_store::integrity::{DIGEST_BLOCK, DigestTable};
use opening::{LockedImage, open_verified};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;
use std::{fmt, io};

/// The bytes of a cached image, or of a range of it.
///
/// When the last byte of the range has been returned, the read counts one hit, and the image is the most recently used. A read
/// that ends before that counts no hit. The image is not evicted while it is being read; if it is deleted, the reader can still
/// read it to its end.
///
/// Every block of 1 MiB is verified before a byte of it is returned (unless `image_cache_verify_reads` is off). For a damaged
/// image the error contains [`Error::Corrupt`], and the image is no longer cached. Reads of whole blocks, at multiples of 1 MiB
/// into a buffer of at least 1 MiB, go directly into the caller's buffer; other reads use an internal buffer of one block.
/// [`into_file`](Self::into_file) returns the file for `sendfile`.
///
/// In a forked child of the process that opened it, reads fail with [`Error::Forked`].
pub struct CachedReader {
    inner: Arc<CacheInner>,
    image_id: ImageId,
    file: Arc<File>,
    /// Protects the image from eviction.
    _lock: LockedImage,
    /// The requested range of the file.
    range: Range<u64>,
    /// The position of the next read in the file.
    position: u64,
    image_size: u64,
    /// The digests for verification; `None` if reads are not verified.
    verifying: Option<Verifying>,
    /// The hit that this read counts at its end.
    hit: Option<PendingHit>,
    /// Whether its bytes count as bytes of a fetch.
    reads_along: bool,
}

struct Verifying {
    table: Arc<DigestTable>,
    /// The verified bytes of one block, and its number.
    block: Vec<u8>,
    block_number: Option<usize>,
}

impl CachedReader {
    pub(crate) fn open(
        inner: &Arc<CacheInner>,
        id: &ImageId,
        asked: Range<u64>,
        requester: &Requester,
    ) -> Result<Option<Self>> {
        let Some((locked, table)) = open_verified(inner, id)? else { return Ok(None) };
        // A file that is truncated at this moment must not look complete.
        let image_size = match &table {
            Some(table) => table.size(),
            None => locked.metadata().map_err(Error::image("open", id))?.len(),
        };
        let start = asked.start.min(image_size);
        let range = start..asked.end.clamp(start, image_size);
        let file = Arc::clone(locked.file());
        let hit = PendingHit::on(inner, id, &file, range.end - range.start, requester);
        let verifying =
            table.map(|table| Verifying { table, block: Vec::new(), block_number: None });
        Ok(Some(CachedReader {
            inner: Arc::clone(inner),
            image_id: id.clone(),
            file,
            _lock: locked,
            position: range.start,
            range,
            image_size,
            verifying,
            hit: Some(hit),
            reads_along: false,
        }))
    }

    /// Total bytes of this reader: of the image or of the requested range.
    pub fn size(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// The image that is being read.
    pub(crate) fn image_id(&self) -> &ImageId {
        &self.image_id
    }

    /// Bytes of the whole image.
    pub fn image_size(&self) -> u64 {
        self.image_size
    }

    /// The modification time of the open file. Another file with the same name has another time.
    pub fn modified(&self) -> io::Result<SystemTime> {
        self.inner.check_process(&self.image_id)?;
        self.file.metadata()?.modified()
    }

    /// The memory budget of tokio readers.
    #[cfg(feature = "tokio")]
    pub(crate) fn read_budget(&self) -> &crate::tokio::ReadBudget {
        &self.inner.read_budget
    }

    /// The open file, for a reader that continues elsewhere.
    pub(crate) fn file(&self) -> io::Result<File> {
        self.inner.check_process(&self.image_id)?;
        self.file.try_clone()
    }

    /// Whether the last byte of the range has been read.
    pub(crate) fn is_complete(&self) -> bool {
        self.position == self.range.end
    }

    /// Returns the hit, which the caller then counts when the client has got the last byte.
    pub(crate) fn detach_hit(&mut self) -> Option<PendingHit> {
        self.hit.take()
    }

    /// For a reader that followed the fetch of the image so far: that reader counts the hit, and the bytes count as those of the
    /// fetch.
    pub(crate) fn counting_no_hit(self) -> Self {
        CachedReader { hit: None, reads_along: true, ..self }
    }

    /// Runs `read` with this memory as the internal block, whose content is dropped afterwards. The memory has the length of a
    /// block before and after.
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

    /// Exchanges the memory of the internal block, if reads are verified.
    #[cfg(feature = "tokio")]
    fn swap_block(&mut self, memory: Vec<u8>) -> Vec<u8> {
        let Some(verifying) = &mut self.verifying else { return memory };
        verifying.block_number = None;
        std::mem::replace(&mut verifying.block, memory)
    }

    /// Reads verified bytes, at most those of one block.
    fn read_verified(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let Some(Verifying { table, block, block_number }) = &mut self.verifying else {
            let read = self.file.read_at(buf, self.position);
            return read.map_err(|error| Error::image("read", &self.image_id)(error).into());
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

    /// Appends verified bytes: those of a whole block, or the rest of one.
    fn append_verified(&mut self, bytes: &mut Vec<u8>) -> io::Result<()> {
        let left = usize::try_from(self.left()).unwrap_or(usize::MAX);
        if let Some(Verifying { table, block_number, .. }) = &self.verifying {
            let number = usize::try_from(self.position / DIGEST_BLOCK).unwrap_or(usize::MAX);
            let is_at_start = self.position.is_multiple_of(DIGEST_BLOCK);
            if is_at_start && table.block_len(number) <= left && *block_number != Some(number) {
                return Ok(append_block(
                    &self.inner,
                    &self.image_id,
                    &self.file,
                    table,
                    number,
                    bytes,
                )?);
            }
        }
        let start = bytes.len();
        bytes.resize(start + left.min(DIGEST_BLOCK as usize), 0);
        let count = self.read_verified(&mut bytes[start..])?;
        bytes.truncate(start + count);
        Ok(())
    }

    /// Bytes from the current position to the end of the range.
    pub(crate) fn left(&self) -> u64 {
        self.range.end.saturating_sub(self.position)
    }

    /// Moves the position behind bytes that were read, and counts them.
    fn advance(&mut self, count: usize) -> io::Result<()> {
        if count == 0 {
            return Err(Error::Truncated { image_id: self.image_id.clone() }.into());
        }
        self.position += count as u64;
        let metrics = &self.inner.metrics;
        let source =
            if self.reads_along { &metrics.bytes_from_fetches } else { &metrics.bytes_from_cache };
        source.fetch_add(count as u64, Ordering::Relaxed);
        if self.position == self.range.end {
            self.count_hit();
        }
        Ok(())
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
        self.inner.check_process(&self.image_id)?;
        let wanted = usize::try_from(self.left()).unwrap_or(usize::MAX).min(buf.len());
        if wanted == 0 {
            // The hit of an empty range is counted when the reader reaches its end.
            if self.range.is_empty() && !buf.is_empty() {
                self.count_hit();
            }
            return Ok(0);
        }
        let count = self.read_verified(&mut buf[..wanted])?;
        self.advance(count)?;
        Ok(count)
    }

    /// Reads whole blocks directly to the end of `bytes`: without an internal buffer, a copy, or memory that is cleared first.
    fn read_to_end(&mut self, bytes: &mut Vec<u8>) -> io::Result<usize> {
        self.inner.check_process(&self.image_id)?;
        let before = bytes.len();
        if self.range.is_empty() {
            self.count_hit();
        }
        while self.left() > 0 {
            let start = bytes.len();
            let appended = self.append_verified(bytes);
            if let Err(error) = appended.and_then(|()| self.advance(bytes.len() - start)) {
                bytes.truncate(start);
                return Err(error);
            }
        }
        Ok(bytes.len() - before)
    }
}

impl Seek for CachedReader {
    /// Positions are relative to the requested range.
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
