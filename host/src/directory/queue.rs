//! The queue: empty files, the oldest first, whose modification times strictly increase.

use super::{Directory, FileInfo, OpenOptions, remove_regular, stat_regular, timespec, to_micros};
use crate::image_id::ImageId;
use rustix::fs::Timestamps;
use std::fs::File;
use std::io;
use std::time::{Duration, SystemTime};

/// Its modification time is that of the newest entry ever queued, so that adding needs no look at the others.
const CLOCK: &str = "queue-clock";

impl Directory {
    pub fn is_queued(&self, id: &ImageId) -> io::Result<bool> {
        Ok(stat_regular(&self.queue, id)?.is_some())
    }

    /// Adds an entry behind all others; false where it is there already. Call with the directory locked.
    pub fn enqueue(&self, id: &ImageId, now: SystemTime) -> io::Result<bool> {
        let mut options = OpenOptions::new();
        let file = match self.queue.open_with(id.as_str(), options.write(true).create_new(true)) {
            Ok(file) => file.into_std(),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            Err(e) => return Err(e),
        };
        if let Err(error) = self.place_last(&file, now) {
            // Not in the queue at a place of its own choosing.
            let _ = remove_regular(&self.queue, id);
            return Err(error);
        }
        Ok(true)
    }

    /// Gives a new entry its owner, and a time behind all others.
    fn place_last(&self, file: &File, now: SystemTime) -> io::Result<()> {
        self.adopt_owner(file)?;
        let clock = self.open_own(CLOCK)?;
        // A microsecond: what remains of a time in a double, which is how Glance reads it.
        let after = FileInfo::of(&clock)?.modified + Duration::from_micros(1);
        let stamp = timespec(to_micros(now).max(after));
        let times = Timestamps { last_access: stamp, last_modification: stamp };
        rustix::fs::futimens(&clock, &times)?;
        rustix::fs::futimens(file, &times)?;
        Ok(())
    }

    /// Removes an entry; false where there is none.
    pub fn dequeue(&self, id: &ImageId) -> io::Result<bool> {
        remove_regular(&self.queue, id)
    }

    /// The queued images, the oldest entry first.
    pub fn queued(&self) -> io::Result<Vec<ImageId>> {
        let mut entries = Vec::new();
        for entry in self.queue.entries()? {
            let entry = entry?;
            let Some(id) = entry.file_name().to_str().and_then(|name| self.image_id(name).ok())
            else {
                continue;
            };
            if let Some(stat) = stat_regular(&self.queue, &id)? {
                entries.push((stat.st_mtime, stat.st_mtime_nsec, id));
            }
        }
        entries.sort();
        Ok(entries.into_iter().map(|(_, _, id)| id).collect())
    }

    /// Sees to it that what is queued from now on comes behind what is there, whoever queued that.
    pub(super) fn note_queue_order(&self) -> io::Result<()> {
        let mut newest = SystemTime::UNIX_EPOCH;
        for entry in self.queue.entries()? {
            if let Some(info) = super::entry_info(&entry?)? {
                newest = newest.max(info.modified);
            }
        }
        let clock = self.open_own(CLOCK)?;
        if FileInfo::of(&clock)?.modified < newest {
            // One more, for the part of a microsecond that was cut off.
            let stamp = timespec(newest + Duration::from_micros(1));
            rustix::fs::futimens(
                &clock,
                &Timestamps { last_access: stamp, last_modification: stamp },
            )?;
        }
        Ok(())
    }
}
