//! Reading a cached image: whole or in part, held against eviction, counted once when it was served.

use crate::cache::Shared;
use crate::driver::Hit;
use crate::error::{Error, Result};
use crate::image_id::ImageId;
use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Whoever publishes or evicts an image holds its lock for a moment: so often we ask again.
const ATTEMPTS: u32 = 20;

/// The bytes of a cached image, or of a part of it.
///
/// When the last byte that was asked for has been delivered, the read counts one hit, and the image is
/// the most recently used. A read that is abandoned before counts nothing. The image is not evicted
/// while it is read; deleted it may be, and is read to its end all the same.
pub struct CachedReader {
    image_id: ImageId,
    file: File,
    /// The part of the file that was asked for.
    range: Range<u64>,
    /// Where in the file the next read starts.
    position: u64,
    image_size: u64,
    /// The hit that this read will be.
    hit: Option<PendingHit>,
}

/// A read that is not at its end yet.
pub(crate) struct PendingHit {
    shared: Arc<Shared>,
    image_id: ImageId,
}

impl PendingHit {
    pub fn new(shared: &Arc<Shared>, image_id: &ImageId) -> Self {
        PendingHit { shared: Arc::clone(shared), image_id: image_id.clone() }
    }

    pub fn count(self) {
        // Books that were just replaced have to know the image first.
        self.shared.settle();
        self.shared.hits.count(Hit { image_id: self.image_id, at: SystemTime::now() });
    }
}

impl CachedReader {
    pub(crate) fn open(
        shared: &Arc<Shared>,
        id: &ImageId,
        range: Option<Range<u64>>,
    ) -> Result<Option<Self>> {
        let Some(file) = open_held(shared, id).map_err(Error::image("open", id))? else {
            return Ok(None);
        };
        let image_size = file.metadata().map_err(Error::image("open", id))?.len();
        let asked = range.unwrap_or(0..image_size);
        let start = asked.start.min(image_size);
        let range = start..asked.end.clamp(start, image_size);
        let (image_id, position) = (id.clone(), range.start);
        let hit = Some(PendingHit::new(shared, &image_id));
        Ok(Some(CachedReader { image_id, file, range, position, image_size, hit }))
    }

    /// Bytes that this reader delivers in all: of the image, or of the part that was asked for.
    pub fn size(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// Bytes in the whole image.
    pub fn image_size(&self) -> u64 {
        self.image_size
    }

    /// What it reads from, for whoever has to go on elsewhere.
    pub(crate) fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Whether the last byte that was asked for has been read.
    pub(crate) fn is_complete(&self) -> bool {
        self.position == self.range.end
    }

    /// Leaves it to the caller to count the hit, when the last byte has reached whoever reads.
    pub(crate) fn detach_hit(&mut self) -> Option<PendingHit> {
        self.hit.take()
    }

    fn count_hit(&mut self) {
        if let Some(hit) = self.hit.take() {
            hit.count();
        }
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
        let count = self.file.read_at(&mut buf[..wanted], self.position)?;
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

/// Opens the image and, where that succeeds at once, holds it against eviction.
fn open_held(shared: &Shared, id: &ImageId) -> io::Result<Option<File>> {
    for _ in 0..ATTEMPTS {
        let Some(file) = shared.directory.open_cached(id)? else { return Ok(None) };
        match file.try_lock_shared() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(1)),
            // A file system without locks: the image is readable all the same.
            Err(TryLockError::Error(_)) => return Ok(Some(file)),
        }
    }
    shared.directory.open_cached(id)
}
