//! `.image-cache/blocks/`: a file of block digests for each cached image, with a name computed from its id.

use super::safe_open::{create_new, is_other, open_to_read, random_suffix, read_whole};
use super::{Directory, UnlinkedFile, same_inode, time, unlink};
use image_cache_model::ImageId;
use rustix::fs::{AtFlags, Stat};
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::fs::{File, TryLockError};
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::SystemTime;

/// Size of the largest digest file in bytes: that of an image of 16 TiB.
const MAX_DIGEST_FILE: u64 = (128 << 20) + 1024;

/// The suffix of a file that is being written.
const NEW: &str = ".new";

/// Identifies the content of a file: its inode, size and modification time. If it is unchanged, no process has written to the
/// file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileKey {
    /// The inode's number.
    pub inode: u64,
    /// Bytes.
    pub size: u64,
    /// Seconds since the epoch, and nanoseconds.
    pub modified: (i64, u32),
}

impl FileKey {
    /// The key of an open file.
    pub fn of(file: &File) -> io::Result<FileKey> {
        Ok(FileKey::new(&rustix::fs::fstat(file)?))
    }

    /// The modification time, truncated to microseconds as in the records.
    pub fn modified_micros(&self) -> SystemTime {
        time(self.modified.0, self.modified.1.into())
    }

    fn new(stat: &Stat) -> FileKey {
        FileKey {
            inode: stat.st_ino,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: (stat.st_mtime, u32::try_from(stat.st_mtime_nsec).unwrap_or(0)),
        }
    }
}

/// New digests under a temporary name, beside the current digests of the image. A drop without
/// [`publish`](StagedDigests::publish) removes them; after a crash, opening or cleaning the cache removes them.
#[derive(Debug)]
pub struct StagedDigests {
    directory: Arc<Directory>,
    image_id: ImageId,
    name: String,
    /// Its lock shows that the writer is alive.
    _file: File,
    durable: bool,
    pending: bool,
}

impl StagedDigests {
    /// Replaces the image's digests with these. Call with the directory locked.
    pub fn publish(mut self) -> io::Result<()> {
        let blocks = &self.directory.blocks;
        rustix::fs::renameat(blocks, &self.name, blocks, name_of(&self.image_id))?;
        self.pending = false;
        if self.durable {
            // Otherwise a power loss could leave the new image with old digests, and it would seem damaged.
            blocks.sync()?;
        }
        Ok(())
    }
}

impl Drop for StagedDigests {
    fn drop(&mut self) {
        if self.pending {
            // A file that remains is removed when the cache is opened or cleaned.
            let _ = rustix::fs::unlinkat(&self.directory.blocks, &self.name, AtFlags::empty());
        }
    }
}

impl Directory {
    /// The bytes of an image's digest file; `None` if there is none.
    pub fn read_digests(&self, id: &ImageId) -> io::Result<Option<Vec<u8>>> {
        let name = name_of(id);
        let Some(file) = open_to_read(&self.blocks, &name)? else {
            if is_other(&self.blocks, &name) && self.digest_warnings.try_acquire() {
                tracing::warn!(image = %id, "the file of its block digests is not a regular file and is ignored; remove {name} from .image-cache/blocks");
            }
            return Ok(None);
        };
        // A file that is too large is damaged.
        Ok(Some(read_whole(file, MAX_DIGEST_FILE)?.unwrap_or_default()))
    }

    /// Writes an image's digests under a temporary name; flushes them to disk if `durable`.
    pub fn stage_digests(
        self: &Arc<Self>,
        id: &ImageId,
        bytes: &[u8],
        durable: bool,
    ) -> io::Result<StagedDigests> {
        let name = format!("{}.{}{NEW}", name_of(id), random_suffix());
        let mut file = create_new(&self.blocks, &name, self.owner.file_mode())?;
        let staged = StagedDigests {
            directory: Arc::clone(self),
            image_id: id.clone(),
            name,
            _file: file.try_clone()?,
            durable,
            pending: true,
        };
        match file.try_lock() {
            // On a file system without locks, another process may remove the file as an orphan. The digests are then computed
            // again later.
            Ok(()) | Err(TryLockError::Error(_)) => {}
            Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::WouldBlock.into()),
        }
        self.adopt_owner(&file)?;
        file.write_all(bytes)?;
        if durable {
            file.sync_all()?;
        }
        Ok(staged)
    }

    /// Removes an image's digests, if it has any. Call with the directory locked.
    pub fn remove_digests(&self, id: &ImageId) -> io::Result<Option<UnlinkedFile>> {
        let name = name_of(id);
        let file = open_to_read(&self.blocks, &name).ok().flatten();
        Ok(unlink(&self.blocks, &name)?.then(|| UnlinkedFile::new(0, file)))
    }

    /// Whether the image's name still refers to this open file.
    pub fn is_in_place(&self, id: &ImageId, file: &File) -> io::Result<bool> {
        same_inode(&self.base, id, file)
    }

    /// The digest files that belong to none of these images, and temporary ones.
    pub fn orphan_digests<'a>(
        &self,
        images: impl Iterator<Item = &'a ImageId>,
    ) -> io::Result<Vec<String>> {
        let mut orphans = HashSet::new();
        for entry in self.blocks.entries()? {
            if let Some(name) = entry?.file_name().to_str().filter(|name| is_digest_file(name)) {
                orphans.insert(name.to_owned());
            }
        }
        if !orphans.is_empty() {
            for id in images {
                orphans.remove(&name_of(id));
            }
        }
        Ok(orphans.into_iter().collect())
    }

    /// Removes a digest file unless its writer is alive or its image is cached by now. Call with the directory locked.
    pub fn remove_orphan_digests(&self, name: &str, image: Option<&ImageId>) -> io::Result<()> {
        if let Some(id) = image
            && name_of(id) == name
            && self.cached_file(id)?.is_some()
        {
            return Ok(());
        }
        if name.ends_with(NEW) {
            let file = open_to_read(&self.blocks, name)?;
            if file.is_some_and(|f| matches!(f.try_lock(), Err(TryLockError::WouldBlock))) {
                return Ok(());
            }
        }
        unlink(&self.blocks, name).map(drop)
    }

    /// The first bytes of a digest file, by its name.
    pub fn digest_file_head(&self, name: &str, bytes: u64) -> io::Result<Vec<u8>> {
        let mut head = Vec::new();
        if let Some(file) = open_to_read(&self.blocks, name)? {
            file.take(bytes).read_to_end(&mut head)?;
        }
        Ok(head)
    }
}

/// Half of the id's hash: an id may be as long as a file name, and the hash leaves space for a suffix.
fn name_of(id: &ImageId) -> String {
    let hash: [u8; 32] = Sha256::digest(id.as_str()).into();
    // Two hexadecimal digits for each of the first 16 bytes, as one number: each read of an image computes the name.
    let first = hash.first_chunk().expect("it has 32 bytes");
    format!("{:032x}", u128::from_be_bytes(*first))
}

/// Whether [`name_of`] can return this name, with or without a suffix.
fn is_digest_file(name: &str) -> bool {
    let hash = name.split('.').next().unwrap_or_default();
    let is_hash = hash.len() == 32 && hash.bytes().all(|b| b.is_ascii_hexdigit());
    is_hash && (name.len() == 32 || name.ends_with(NEW))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_half_of_the_id_s_sha256_with_all_its_digits() {
        let id: ImageId = "image-1".parse().expect("an id");
        assert_eq!(name_of(&id), "0cf457e24a479f02fd4d34540389f720");
        assert!(is_digest_file(&name_of(&id)));
    }
}
