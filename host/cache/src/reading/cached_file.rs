//! The open file of a cached image, for system calls that take a descriptor, such as `sendfile`.

use super::CachedReader;
use super::read_block;
use crate::error::{Error, Result};
use image_cache_store::integrity::DIGEST_BLOCK;
use std::fmt;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::Ordering;

/// The open file of a cached image: [`as_fd`](AsFd::as_fd) is for `sendfile`, `splice` or `copy_file_range`, which copy no byte
/// through the program.
///
/// **What is verified.** The system sends the bytes of its page cache. [`CachedReader::into_file`] and [`verify`](Self::verify) read
/// the same page cache and compare it with the digests. So the bytes were correct at that moment. Two things can happen after
/// it: the system drops pages for lack of memory and reads them again from a disk that has damaged them; or another program writes
/// to the file. To make the time short, verify each part just before it is sent. Only [`CachedReader`] itself returns bytes that
/// were verified after they had left the page cache.
///
/// The image is not evicted until this is dropped, so keep it until the last byte is sent. The descriptor is for reading at
/// explicit offsets; its own position is shared with nobody.
///
/// ```
/// use image_cache::{Config, Expected, ImageCache};
/// use rustix::fs::sendfile;
/// # let scratch = tempfile::tempdir()?;
/// # let directory = scratch.path().join("cache");
/// # let client = tempfile::tempfile()?;
/// let cache = ImageCache::open(Config::builder(directory).build()?)?;
/// cache.cache_image("cirros", &b"an image"[..], Expected::nothing())?;
/// let file = cache.open_for_read("cirros")?.expect("it is cached").into_file_unverified();
/// let (mut at, end) = (file.range().start, file.range().end);
/// while at < end {
///     let part = at..end.min(at + (1 << 20));
///     file.verify(part.clone())?;
///     sendfile(&client, &file, Some(&mut at), (part.end - part.start) as usize)?;
/// }
/// file.count_hit();
/// assert_eq!(cache.hit_count("cirros")?, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct CachedFile {
    reader: CachedReader,
}

impl CachedReader {
    /// The open file, with the bytes that have not been read yet, after a verification of all of them: it reads the blocks that
    /// contain them once. [`CachedFile`] states what that means for the bytes that are sent later.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if a block is damaged; the image is then no longer cached.
    pub fn into_file(self) -> Result<CachedFile> {
        let file = self.into_file_unverified();
        file.verify(file.range())?;
        Ok(file)
    }

    /// The open file, with the bytes that have not been read yet. **None of its bytes is verified**: call
    /// [`CachedFile::verify`] for each part before it is sent.
    pub fn into_file_unverified(mut self) -> CachedFile {
        self.range.start = self.position.min(self.range.end);
        CachedFile { reader: self }
    }
}

impl CachedFile {
    /// The bytes to send, as offsets in the file.
    pub fn range(&self) -> Range<u64> {
        self.reader.range.clone()
    }

    /// Bytes of the whole image.
    pub fn image_size(&self) -> u64 {
        self.reader.image_size()
    }

    /// Whether [`verify`](Self::verify) compares bytes with digests. False if the option `image_cache_verify_reads` is off, and for
    /// the images that a reader does not verify either: of more than 16 TiB, or without digests while their record cannot be read.
    pub fn has_digests(&self) -> bool {
        self.reader.verifying.is_some()
    }

    /// Verifies a part of the file, from and to these offsets: the blocks of 1 MiB that contain it.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if a block is damaged; the image is then no longer cached, and no byte of the part may be sent. Without
    /// [digests](Self::has_digests) only [`Error::Truncated`], if the file is too short. [`Error::Forked`] in a forked child.
    pub fn verify(&self, part: Range<u64>) -> Result<()> {
        let CachedReader { inner, image_id, file, image_size, verifying, .. } = &self.reader;
        inner.check_process(image_id)?;
        let end = part.end.min(*image_size);
        if part.start >= end {
            return Ok(());
        }
        let span = tracing::debug_span!("verify", image = %image_id, start = part.start, end);
        let _span = span.entered();
        let Some(verifying) = verifying else {
            let len = file.metadata().map_err(Error::image("examine", image_id))?.len();
            let is_whole = len >= end;
            return is_whole.then_some(()).ok_or(Error::Truncated { image_id: image_id.clone() });
        };
        let table = &verifying.table;
        let (first, after) = (part.start / DIGEST_BLOCK, end.div_ceil(DIGEST_BLOCK));
        let mut block = Vec::new();
        for number in first..after {
            let number = usize::try_from(number).unwrap_or(usize::MAX);
            block.resize(table.block_len(number), 0);
            read_block(inner, image_id, file, table, number, &mut block)?;
        }
        Ok(())
    }

    /// All bytes were sent: counts the read as a hit. A drop counts none.
    pub fn count_hit(mut self) {
        let (range, metrics) = (self.range(), &self.reader.inner.metrics);
        metrics.bytes_from_cache.fetch_add(range.end - range.start, Ordering::Relaxed);
        self.reader.count_hit();
    }
}

impl AsFd for CachedFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.file.as_fd()
    }
}

impl fmt::Debug for CachedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedFile")
            .field("image_id", self.reader.image_id())
            .field("range", &self.range())
            .finish_non_exhaustive()
    }
}
