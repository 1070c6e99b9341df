//! Reading along with a writer of another process, of which there is nothing to see but its growing file.

use super::follower::{Lost, Patience, Step};
use super::partial_bytes::PartialBytes;
use super::resolve::Request;
use super::stuck::StuckWriters;
use crate::error::{Error, check_promises};
use crate::metadata::Budget;
use image_cache_model::Outcome;
use image_cache_store::WriterState;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// So long a look at the file is put off when there was nothing new, and twice as long each time.
const PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Follows the file of another process's fetch.
pub(crate) struct ExternalFollower {
    request: Request,
    file: Arc<File>,
    /// Where it reads next, and up to where.
    position: u64,
    end: u64,
    /// Bytes that had come when it last looked.
    seen: u64,
    patience: Patience,
    pause: Duration,
    /// The image's size, once it was published.
    whole: Option<u64>,
}

impl ExternalFollower {
    /// Nothing where no live writer fills the image's file.
    pub fn open(request: &Request) -> io::Result<Option<ExternalFollower>> {
        let growing = request.inner.directory.open_growing(&request.image_id)?;
        Ok(growing.map(|file| ExternalFollower {
            request: request.clone(),
            file: Arc::new(file),
            position: request.range.start,
            end: request.range.end,
            seen: 0,
            patience: Patience::new(request.inner.config.other_writer_patience),
            pause: PAUSE,
            whole: None,
        }))
    }

    pub fn is_complete(&self) -> bool {
        self.whole.is_some_and(|size| self.position >= size.min(self.end))
    }

    /// Bytes that the image has in all, where that is known.
    pub fn size(&self) -> Option<u64> {
        self.whole.or(self.request.expected.size)
    }

    /// What was read from.
    pub fn bytes(&self) -> PartialBytes {
        PartialBytes::of_file(Arc::clone(&self.file), self.position)
    }

    /// How long to wait before the next look.
    pub fn pause(&mut self) -> Duration {
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        pause
    }

    pub fn step(&mut self, buf: &mut [u8]) -> io::Result<Step> {
        loop {
            // The last byte is withheld until the writer has found it to be right.
            let file = self.file.metadata()?;
            let size = file.len();
            let limit = self.whole.unwrap_or(size.saturating_sub(1)).min(self.end);
            if self.position < limit {
                return self.read(buf, limit);
            }
            if self.whole.is_some() {
                return Ok(Step::End(Outcome::AlreadyCached));
            }
            // A part has its bytes, whatever becomes of the others.
            if self.position >= self.end {
                return Ok(Step::End(Outcome::BeingCached));
            }
            if size > std::mem::replace(&mut self.seen, size) {
                self.patience.renew();
            }
            match self.request.inner.directory.poll_writer(&self.request.image_id, &self.file)? {
                WriterState::Published => {
                    self.judge()?;
                    if self.whole.is_some_and(|size| self.position < size.min(self.end)) {
                        return Ok(Step::Published(self.position, Outcome::AlreadyCached));
                    }
                }
                WriterState::Gone => {
                    self.stuck().forget(&self.request.image_id);
                    return Ok(Step::Lost(Lost::Abandoned));
                }
                WriterState::Growing if self.stuck().is_stuck(&self.request.image_id, &file) => {
                    return Ok(Step::Lost(Lost::Stuck));
                }
                WriterState::Growing if self.patience.is_over() => {
                    self.stuck().remember(&self.request.image_id, &file);
                    return Ok(Step::Lost(Lost::Stuck));
                }
                WriterState::Growing => return Ok(Step::Wait),
            }
        }
    }

    fn stuck(&self) -> &StuckWriters {
        self.request.inner.in_flight.stuck()
    }

    /// Whether its writer was found to bring nothing, and still does not.
    pub fn is_known_stuck(&self) -> bool {
        let file = self.file.metadata();
        file.is_ok_and(|file| self.stuck().is_stuck(&self.request.image_id, &file))
    }

    fn read(&mut self, buf: &mut [u8], limit: u64) -> io::Result<Step> {
        let room = usize::try_from(limit - self.position).unwrap_or(usize::MAX).min(buf.len());
        let bytes = PartialBytes::of_file(Arc::clone(&self.file), limit);
        let count = bytes.read_at(&mut buf[..room], self.position)?;
        self.position += count as u64;
        self.pause = PAUSE;
        Ok(Step::Bytes(count))
    }

    /// The writer has held it against what was promised to the writer; this reader may know better.
    fn judge(&mut self) -> io::Result<()> {
        let Request { inner, image_id, expected, .. } = &self.request;
        let size = self.file.metadata()?.len();
        let known = match &expected.md5 {
            Some(_) => inner.metadata.cached_image(image_id, &Budget::one_call()).ok().flatten(),
            None => None,
        };
        let digest = known.and_then(|record| record.checksum);
        check_promises(expected, image_id, size, digest.as_ref())
            .map_err(|e: Error| io::Error::from(e))?;
        self.whole = Some(size);
        Ok(())
    }
}
