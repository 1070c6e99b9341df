//! The queue: empty files, ordered by their modification times, which strictly increase.

use super::safe_open::{create_new, open_to_write};
use super::{
    Directory, FileInfo, is_regular, remove_regular, stat_any, stat_regular, timespec, to_micros,
    unlink,
};
use image_cache_model::{ImageId, names, system_time, timestamp};
use rustix::fs::Timestamps;
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The file with the time of the newest entry ever queued, so that adding an entry does not read the others. The time is the
/// later of the file's modification time, which only its owner may set, and its text in microseconds.
const CLOCK: &str = names::QUEUE_CLOCK;

/// Digits of the clock's text: enough for 64 bits, so that a later time overwrites every digit.
const DIGITS: usize = 20;

impl Directory {
    /// Whether an image is in the queue.
    pub fn is_queued(&self, id: &ImageId) -> io::Result<bool> {
        Ok(stat_regular(&self.queue, id)?.is_some())
    }

    /// Adds an entry after all others; false if the image is already queued. Call with the directory locked.
    ///
    /// If the process is killed before the entry has its time, the entry keeps the time of its creation. The kernel's clock advances
    /// only every few milliseconds, so it can then come before an entry that was added just before it.
    pub fn enqueue(&self, id: &ImageId, now: SystemTime) -> io::Result<bool> {
        let file = match create_new(&self.queue, id.as_str(), self.owner.file_mode()) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                let there = stat_any(&self.queue, id)?;
                if there.is_some_and(|found| !is_regular(&found)) {
                    let words = format!("queue/{id} is no regular file; move it away");
                    return Err(io::Error::other(words));
                }
                return Ok(false);
            }
            Err(e) => return Err(e),
        };
        self.stamp(&file, now).map(|()| true).inspect_err(|_| {
            // Otherwise the entry would stay queued although the caller gets an error.
            let _ = self.dequeue(id);
        })
    }

    /// Sets the time of a new entry, after all others.
    fn stamp(&self, entry: &File, now: SystemTime) -> io::Result<()> {
        let clock = self.open_clock()?;
        // Glance reads the time as a double, which is precise to a microsecond.
        let after = time_of(&clock)? + Duration::from_micros(1);
        let stamp = to_micros(now).max(after);
        set_clock(&clock, stamp)?;
        rustix::fs::futimens(entry, &both(stamp))?;
        self.adopt_owner(entry)
    }

    /// Opens the clock. Replaces it if it is not a regular file or has another hard link, so that it must not be written.
    fn open_clock(&self) -> io::Result<File> {
        if let Some(clock) = open_to_write(&self.own, names::in_own(CLOCK))?
            && rustix::fs::fstat(&clock)?.st_nlink == 1
        {
            return Ok(clock);
        }
        if unlink(&self.own, names::in_own(CLOCK))? {
            tracing::warn!("{CLOCK} was not made by image-cache; it is replaced");
        }
        self.open_own(CLOCK)
    }

    /// Removes an entry; false if there is none.
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

    /// Sets the clock to the newest entry, which another program may have created, so that new entries come after it.
    pub(super) fn advance_queue_clock(&self) -> io::Result<()> {
        let mut newest = SystemTime::UNIX_EPOCH;
        for entry in self.queue.entries()? {
            if let Some(info) = super::entry_info(&entry?)? {
                newest = newest.max(info.modified);
            }
        }
        let clock = self.open_clock()?;
        if time_of(&clock)? < newest {
            // One more microsecond for the fraction that was truncated.
            set_clock(&clock, newest + Duration::from_micros(1))?;
        }
        Ok(())
    }
}

fn time_of(clock: &File) -> io::Result<SystemTime> {
    let mut text = [0; DIGITS];
    let count = clock.read_at(&mut text, 0)?;
    let micros = std::str::from_utf8(&text[..count]).ok().and_then(|text| text.parse().ok());
    Ok(FileInfo::of(clock)?.modified.max(micros.map_or(UNIX_EPOCH, system_time)))
}

/// Sets the clock's modification time; without permission for that, writes the time as text.
fn set_clock(clock: &File, to: SystemTime) -> io::Result<()> {
    match rustix::fs::futimens(clock, &both(to)) {
        Err(Errno::PERM | Errno::ACCESS) => {
            clock.write_all_at(format!("{:0DIGITS$}", timestamp(to)).as_bytes(), 0)
        }
        other => Ok(other?),
    }
}

fn both(stamp: SystemTime) -> Timestamps {
    let stamp = timespec(stamp);
    Timestamps { last_access: stamp, last_modification: stamp }
}
