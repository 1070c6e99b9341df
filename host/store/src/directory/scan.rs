//! Scans the cached images with their sizes and times.
//!
//! Most of the time is cache misses on inodes. So two threads need little more than half the time of one.

use super::dir::{DirEntry, Entries};
use super::{Directory, FileInfo, entry_info};
use crate::sync::{WORTH_A_THREAD, both, lock};
use image_cache_model::{ImageId, belongs_to_database};
use std::sync::{Arc, Mutex};
use std::{io, vec};

/// Directory entries that are read at a time, before their inodes.
const READ_AHEAD: usize = 1024;

/// An image with its size and times, or the error of reading them.
type ScanItem = io::Result<(ImageId, FileInfo)>;

/// A scan of the cached images, in any order. It reads ahead in batches, and can be continued later.
pub struct Scan {
    entries: EntryReader,
    found: vec::IntoIter<ScanItem>,
}

/// The part of a scan that one thread processes.
pub struct ScanShard<'a> {
    entries: &'a Mutex<EntryReader>,
    batch: vec::IntoIter<(ImageId, DirEntry)>,
}

/// Reads the directory in batches.
struct EntryReader {
    entries: Entries,
    database: Arc<str>,
}

impl Directory {
    /// Starts a scan of the cached images, in any order.
    pub fn cached_files(&self) -> io::Result<Scan> {
        Ok(Scan { entries: self.entry_reader()?, found: Vec::new().into_iter() })
    }

    /// Runs a whole scan, in two threads if there are many images. Returns the result of `work` of each thread.
    pub fn scan_in_shards<T: Send>(
        &self,
        work: impl Fn(ScanShard<'_>) -> io::Result<T> + Sync,
    ) -> io::Result<Vec<T>> {
        let mut entries = self.entry_reader()?;
        let first = entries.next_batch()?;
        let is_long = first.len() >= WORTH_A_THREAD;
        let entries = &Mutex::new(entries);
        let mine = || work(ScanShard { entries, batch: first.into_iter() });
        if !is_long {
            return Ok(vec![mine()?]);
        }
        let theirs = || work(ScanShard { entries, batch: Vec::new().into_iter() });
        let (mine, theirs) = both(mine, theirs);
        Ok(vec![mine?, theirs?])
    }

    fn entry_reader(&self) -> io::Result<EntryReader> {
        Ok(EntryReader { entries: self.base.entries()?, database: Arc::clone(&self.database) })
    }
}

impl EntryReader {
    /// The next images; empty at the end.
    fn next_batch(&mut self) -> io::Result<Vec<(ImageId, DirEntry)>> {
        loop {
            let (mut images, mut read) = (Vec::new(), 0);
            for entry in self.entries.by_ref().take(READ_AHEAD) {
                read += 1;
                let entry = entry?;
                images.extend(image(&entry, &self.database).map(|id| (id, entry)));
            }
            if read == 0 || !images.is_empty() {
                return Ok(images);
            }
        }
    }
}

/// The image of a directory entry, if its name is an image id.
fn image(entry: &DirEntry, database: &str) -> Option<ImageId> {
    let name = entry.file_name().to_str().filter(|name| !belongs_to_database(name, database))?;
    name.parse().ok()
}

impl Iterator for ScanShard<'_> {
    type Item = ScanItem;

    fn next(&mut self) -> Option<ScanItem> {
        loop {
            if let Some((id, entry)) = self.batch.next() {
                match entry_info(&entry) {
                    Ok(None) => continue,
                    info => return info.map(|info| info.map(|info| (id, info))).transpose(),
                }
            }
            match lock(self.entries).next_batch() {
                Ok(batch) if batch.is_empty() => return None,
                Ok(batch) => self.batch = batch.into_iter(),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl Iterator for Scan {
    type Item = ScanItem;

    fn next(&mut self) -> Option<ScanItem> {
        loop {
            if let Some(found) = self.found.next() {
                return Some(found);
            }
            match self.entries.next_batch() {
                Ok(batch) if batch.is_empty() => return None,
                Ok(batch) => self.found = stat_all(batch).into_iter(),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// The images of a batch that are regular files and still exist.
fn stat_all(images: Vec<(ImageId, DirEntry)>) -> Vec<ScanItem> {
    let infos = infos(&images);
    let found = images.into_iter().zip(infos);
    found.filter_map(|((id, _), info)| info.map(|info| Some((id, info?))).transpose()).collect()
}

fn infos(images: &[(ImageId, DirEntry)]) -> Vec<io::Result<Option<FileInfo>>> {
    let stat = |images: &[(ImageId, DirEntry)]| -> Vec<_> {
        images.iter().map(|(_, entry)| entry_info(entry)).collect()
    };
    if images.len() < WORTH_A_THREAD {
        return stat(images);
    }
    let (mine, others) = images.split_at(images.len() / 2);
    let (mut infos, others) = both(|| stat(mine), || stat(others));
    infos.extend(others);
    infos
}
