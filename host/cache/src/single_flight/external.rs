//! The growing file of a fetch in another process.

use super::growing_file::{Completed, FetchEnd, GrowingFile, Snapshot};
use super::partial_bytes::PartialBytes;
use super::request::Request;
use super::stuck::StuckWriters;
use crate::outcome::Outcome;
use crate::withheld::readable;
use image_cache_store::WriterState;
use std::fs::{File, Metadata};
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// The pause between checks of the file; it doubles while there is nothing new.
const PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// The growing file of a fetch in another process: the lock shows that the writer is alive, and the rename that the image is
/// complete and verified.
pub(super) struct ExternalFile {
    request: Request,
    file: Arc<File>,
    pause: Duration,
    /// Outcome and checksum of the image, after it was published.
    published: Option<Completed>,
    /// The file's metadata at the last check.
    looked_at: Option<Metadata>,
}

impl ExternalFile {
    /// `None` if the image has no live writer.
    pub fn open(request: &Request) -> io::Result<Option<ExternalFile>> {
        let growing = request.inner.directory.open_growing(&request.image_id)?;
        Ok(growing.map(|file| ExternalFile {
            request: request.clone(),
            file: Arc::new(file),
            pause: PAUSE,
            published: None,
            looked_at: None,
        }))
    }

    /// Whether its writer is known to make no progress, and still makes none.
    pub fn check_known_stuck(&self) -> bool {
        self.file.metadata().is_ok_and(|file| self.check_stuck_at(&file))
    }

    fn check_stuck_at(&self, file: &Metadata) -> bool {
        self.stuck_writers().forget_unless_stuck(&self.request.image_id, file)
    }

    fn stuck_writers(&self) -> &StuckWriters {
        &self.request.inner.in_flight.stuck
    }

    fn snapshot_of(&self, size: u64, end: Option<FetchEnd>) -> Snapshot {
        let bytes = PartialBytes::of_file(Arc::clone(&self.file), size);
        Snapshot { bytes, end, is_verifying: false, is_stuck: false }
    }
}

impl GrowingFile for ExternalFile {
    fn snapshot(&mut self, wanted: Range<u64>) -> io::Result<Snapshot> {
        let file = self.file.metadata()?;
        let size = file.len();
        if let Some(completed) = &self.published {
            return Ok(self.snapshot_of(size, Some(FetchEnd::Whole(completed.clone()))));
        }
        if wanted.is_empty() || wanted.start < readable(size, false) {
            self.pause = PAUSE;
            return Ok(self.snapshot_of(size, None));
        }
        match self.request.inner.directory.poll_writer(&self.request.image_id, &self.file)? {
            WriterState::Published => {
                let digests = self.request.recorded_checksum().into_iter().collect();
                let outcome = Outcome::AlreadyCached;
                let completed = self.published.insert(Completed { outcome, digests }).clone();
                // It may have grown between the two checks.
                let size = self.file.metadata()?.len();
                Ok(self.snapshot_of(size, Some(FetchEnd::Whole(completed))))
            }
            WriterState::Gone => {
                self.stuck_writers().forget(&self.request.image_id);
                Ok(self.snapshot_of(size, Some(FetchEnd::Abandoned)))
            }
            WriterState::Growing => {
                let is_stuck = self.check_stuck_at(&file);
                self.looked_at = Some(file);
                Ok(Snapshot { is_stuck, ..self.snapshot_of(size, None) })
            }
        }
    }

    fn bytes(&self, position: u64) -> io::Result<PartialBytes> {
        Ok(PartialBytes::of_file(Arc::clone(&self.file), position))
    }

    fn size(&self) -> Option<u64> {
        None
    }

    fn ping_writer(&mut self) -> bool {
        false
    }

    fn remember_stuck(&mut self) {
        if let Some(file) = &self.looked_at {
            self.stuck_writers().remember(&self.request.image_id, file);
        }
    }

    fn wait(&mut self, _position: u64, _at_most: Option<Duration>) -> io::Result<()> {
        std::thread::sleep(self.pause);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }
}
