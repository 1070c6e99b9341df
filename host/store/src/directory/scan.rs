//! Passes over the cached images, and what their inodes say.
//!
//! Most of a pass is looking at inodes: for each the processor waits for what it has not in its caches. So two threads take
//! little more than half the time of one.

use super::{Directory, FileInfo, entry_info};
use crate::sync::{WORTH_A_THREAD, both, lock};
use cap_std::fs::{DirEntry, ReadDir};
use image_cache_model::{ImageId, belongs_to_database};
use std::sync::{Arc, Mutex};
use std::{io, vec};

/// Names that are read before their inodes are looked at.
const AT_ONCE: usize = 1024;

/// An image with its inode, or why that cannot be looked at.
type Found = io::Result<(ImageId, FileInfo)>;

/// One pass, in no order, for who takes its time.
pub struct Scan {
    names: Names,
    found: vec::IntoIter<Found>,
}

/// What one of the threads of a pass comes to see.
pub struct ScanShard<'a> {
    names: &'a Mutex<Names>,
    some: vec::IntoIter<(ImageId, DirEntry)>,
}

struct Names {
    entries: ReadDir,
    database: Arc<str>,
}

impl Directory {
    /// One pass over the cached images, in no order.
    pub fn cached_files(&self) -> io::Result<Scan> {
        Ok(Scan { names: self.names()?, found: Vec::new().into_iter() })
    }

    /// One pass, at once: by two threads, where there are many images. What each of them makes of its share.
    pub fn in_shards<T: Send>(
        &self,
        work: impl Fn(ScanShard<'_>) -> io::Result<T> + Sync,
    ) -> io::Result<Vec<T>> {
        let mut names = self.names()?;
        let first = names.some()?;
        let is_long = first.len() >= WORTH_A_THREAD;
        let names = &Mutex::new(names);
        let mine = || work(ScanShard { names, some: first.into_iter() });
        if !is_long {
            return Ok(vec![mine()?]);
        }
        let theirs = || work(ScanShard { names, some: Vec::new().into_iter() });
        let (mine, theirs) = both(mine, theirs);
        Ok(vec![mine?, theirs?])
    }

    fn names(&self) -> io::Result<Names> {
        Ok(Names { entries: self.base.entries()?, database: Arc::clone(&self.database) })
    }
}

impl Names {
    /// Some more; none at the end.
    fn some(&mut self) -> io::Result<Vec<(ImageId, DirEntry)>> {
        loop {
            let (mut images, mut read) = (Vec::new(), 0);
            for entry in self.entries.by_ref().take(AT_ONCE) {
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

/// The image that has an entry's name, where that is an image's.
fn image(entry: &DirEntry, database: &str) -> Option<ImageId> {
    let name = entry.file_name();
    let name = name.to_str().filter(|name| !belongs_to_database(name, database))?;
    name.parse().ok()
}

impl Iterator for ScanShard<'_> {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        loop {
            if let Some((id, entry)) = self.some.next() {
                match entry_info(&entry) {
                    Ok(None) => continue,
                    info => return info.map(|info| info.map(|info| (id, info))).transpose(),
                }
            }
            match lock(self.names).some() {
                Ok(some) if some.is_empty() => return None,
                Ok(some) => self.some = some.into_iter(),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl Iterator for Scan {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        loop {
            if let Some(found) = self.found.next() {
                return Some(found);
            }
            match self.names.some() {
                Ok(some) if some.is_empty() => return None,
                Ok(some) => self.found = looked_at(some).into_iter(),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// Those that are regular files and still there.
fn looked_at(images: Vec<(ImageId, DirEntry)>) -> Vec<Found> {
    let infos = infos(&images);
    let found = images.into_iter().zip(infos);
    found.filter_map(|((id, _), info)| info.map(|info| Some((id, info?))).transpose()).collect()
}

fn infos(images: &[(ImageId, DirEntry)]) -> Vec<io::Result<Option<FileInfo>>> {
    let look = |images: &[(ImageId, DirEntry)]| -> Vec<_> {
        images.iter().map(|(_, entry)| entry_info(entry)).collect()
    };
    if images.len() < WORTH_A_THREAD {
        return look(images);
    }
    let (mine, others) = images.split_at(images.len() / 2);
    let (mut infos, others) = both(|| look(mine), || look(others));
    infos.extend(others);
    infos
}
