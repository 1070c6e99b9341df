//! Block digests, which verify each read of a cached image.
//!
//! Each block of 1 MiB has a digest, computed from the verified bytes of a fetch and written to `.image-cache/blocks/` before the
//! image is published. A read verifies each block before it returns a byte of it. If a block differs, the read fails, and the
//! image is [quarantined](crate::Directory::quarantine).
//!
//! **The digest** is XXH3 with 64 bits. It detects damage (bit rot, torn or lost writes, truncated or exchanged files) but no
//! attack: a process that can write to the cache directory can also write digests. One of 2^64 damaged blocks is not detected;
//! with a damaged block each second, that is once in 580 billion years, so 128 bits would only make the files longer. Each digest
//! is compared only with that of the same block, so the birthday paradox does not apply. Speeds on a Zen 5 core in GB/s: a warm
//! read of 1 MiB 33; XXH3 143 with AVX-512 and 74 with AVX2 as implemented here, 54 in `twox-hash` (AVX2); CRC-64/NVME 69 with
//! AVX-512 (`crc-fast`) and 13 without; rapidhash 50.
//!
//! **The digests belong to the content.** A digest file contains an image id. The digests remain the reference for the file of
//! that name until the cache removes or replaces the image. So a directory that was copied, moved or restored (`cp`, `rsync`,
//! `tar`; other inodes, perhaps other times) keeps its digests, and so does an image that another program removed and cached
//! again, since it has the same bytes. A file of another size or with other bytes was truncated, modified or exchanged, and is
//! refused, even if that happened while the cache was closed: reconciling adds it to the records, and the first read detects it.
//! There is one exception: if another program (Glance) has recorded this file after the digests were computed, it has replaced
//! the image, and the digests are removed.
//!
//! A digest file also contains the inode, size and modification time of its image's file. A reader may have opened a file just
//! before a new one was published with new digests. So if these three differ from the open file, and the image's name now refers
//! to another file, the reader starts again. The cache quarantines an image or writes digests only if the name, under the
//! directory's lock, still refers to the file that was read.
//!
//! **Without digests** (an image that Glance cached, or a digest file that is missing or torn, which its own digest detects), the
//! first use computes them: if the record has a checksum, the whole file is verified against it first; if not, each block is
//! trusted on first use.

mod digest;
mod table;

pub use digest::{BlockDigests, DIGEST_BLOCK};
pub use table::{DigestTable, Trust};

use crate::directory::{Directory, FileKey, StagedDigests, UnlinkedFile};
use crate::sync::lock;
use image_cache_model::ImageId;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, SystemTime};

/// Number of digests that are cached in memory: 32 MiB, for 4 TiB of images.
const MAX_CACHED_DIGESTS: usize = 4 << 20;

/// Memory overhead of a cached table, in digests.
const TABLE_OVERHEAD: usize = 20;

/// Images with more bytes than this (16 TiB) are served without verification: their digests need too much memory.
pub const MAX_IMAGE_BYTES: u64 = 16 << 40;

/// How long saving digests waits for the directory's lock. They can be saved later.
const SAVE_LOCK_TIMEOUT: Duration = Duration::from_millis(200);

/// Orphan digest files that are removed per acquisition of the directory's lock.
const SWEEP_BATCH: usize = 64;

/// The block digests of a cache: on disk, with a bounded number of tables in memory.
///
/// A fill [stages](Self::stage) the digests of its image and [publishes](Self::publish) them just before the image. A read takes
/// them from memory, or loads or computes them under [`load_mutex`](Self::load_mutex). Losing digests is not an error: the next
/// use computes them again.
#[derive(Debug)]
pub struct DigestStore {
    directory: Arc<Directory>,
    cached: Mutex<TableCache>,
    /// Images whose digests a thread is loading or computing.
    loading: Mutex<HashMap<ImageId, Weak<Mutex<()>>>>,
}

/// Tables in memory. If the cache is full, all are dropped; the next reads load them again.
#[derive(Debug, Default)]
struct TableCache {
    tables: HashMap<ImageId, (FileKey, Arc<DigestTable>)>,
    cost: usize,
}

impl DigestStore {
    /// The digests of the images in this directory. This reads no file.
    pub fn new(directory: Arc<Directory>) -> DigestStore {
        DigestStore { directory, cached: Mutex::default(), loading: Mutex::default() }
    }

    /// Writes the digests of a file that was fetched, without publishing them.
    pub fn stage(
        &self,
        id: &ImageId,
        file: &File,
        digests: BlockDigests,
        durable: bool,
    ) -> io::Result<StagedDigests> {
        let key = FileKey::of(file)?;
        let table = DigestTable::from_digests(key.size, Trust::Fetched, digests);
        self.directory.stage_digests(id, &table.to_bytes(id, &key), durable)
    }

    /// Publishes staged digests, just before their image. If that fails, the first read verifies the image against its checksum.
    /// Call with the directory locked.
    pub fn publish(&self, id: &ImageId, staged: io::Result<StagedDigests>) {
        if let Err(error) = staged.and_then(StagedDigests::publish) {
            tracing::warn!(image = %id, %error, "its block digests cannot be written; its first use computes them");
            // Otherwise the image would have the digests of another file.
            self.remove(id);
        }
    }

    /// Removes an image's digests. Call with the directory locked, after the image's file was removed.
    pub fn remove(&self, id: &ImageId) -> Option<UnlinkedFile> {
        lock(&self.cached).remove(id);
        self.directory.remove_digests(id).unwrap_or_else(|error| {
            // Opening or cleaning the cache removes them, and new digests replace them.
            tracing::debug!(image = %id, %error, "the digests of a removed image remain for now");
            None
        })
    }

    /// Removes the digests if another program has replaced and recorded the image after they were computed: then the record has
    /// another modification time than the digests. Call with the directory locked.
    pub fn remove_if_replaced(&self, id: &ImageId, recorded: SystemTime) {
        if let Ok(Some((of, _))) = self.load(id)
            && of.modified_micros() != recorded
        {
            tracing::info!(image = %id, "another program has replaced it: its block digests are removed");
            self.remove(id);
        }
    }

    /// Removes orphan digests: those of removed images, and temporary files of killed processes.
    pub fn sweep<'a>(&self, images: impl Iterator<Item = &'a ImageId>) {
        let sweep = || -> io::Result<()> {
            for names in self.directory.orphan_digests(images)?.chunks(SWEEP_BATCH) {
                let _lock = self.directory.lock()?;
                for name in names {
                    // An error must not prevent the removal of the others.
                    if let Err(error) = self.remove_orphan(name) {
                        tracing::warn!(name, %error, "cannot be removed from .image-cache/blocks");
                    }
                }
            }
            Ok(())
        };
        if let Err(error) = sweep() {
            tracing::warn!(%error, "digests of removed images remain for now");
        }
    }

    fn remove_orphan(&self, name: &str) -> io::Result<()> {
        let head = self.directory.digest_file_head(name, DigestTable::HEAD_AND_ID)?;
        self.directory.remove_orphan_digests(name, DigestTable::id_in(&head).as_ref())
    }

    /// Why the bytes of this image are trusted.
    pub fn trust_of(&self, id: &ImageId, file: &File) -> io::Result<Trust> {
        if let Some(table) = self.cached_table(id, &FileKey::of(file)?) {
            return Ok(table.trust());
        }
        Ok(self.load(id)?.map_or(Trust::NotYet, |(_, table)| table.trust()))
    }

    /// The digests of exactly this file that are cached in memory.
    pub fn cached_table(&self, id: &ImageId, key: &FileKey) -> Option<Arc<DigestTable>> {
        let cached = lock(&self.cached);
        cached.tables.get(id).filter(|(known, _)| known == key).map(|(_, table)| Arc::clone(table))
    }

    /// The digests in memory of a file with this inode, even if the file was modified or touched since.
    pub fn cached_table_of_inode(&self, id: &ImageId, inode: u64) -> Option<Arc<DigestTable>> {
        let cached = lock(&self.cached);
        cached.tables.get(id).filter(|(known, _)| known.inode == inode).map(|(_, t)| Arc::clone(t))
    }

    /// Caches an image's digests in memory.
    pub fn cache_table(&self, id: &ImageId, key: FileKey, table: &Arc<DigestTable>) {
        lock(&self.cached).insert(id, key, table);
    }

    /// The digests on disk and the key of their file; `None` if there are none, or they are damaged.
    pub fn load(&self, id: &ImageId) -> io::Result<Option<(FileKey, DigestTable)>> {
        let Some(bytes) = self.directory.read_digests(id)? else { return Ok(None) };
        let whole = DigestTable::from_bytes(&bytes, id);
        if whole.is_none() {
            tracing::warn!(image = %id, "its block digests are damaged; they are computed again");
        }
        Ok(whole)
    }

    /// Saves digests that were computed after their image was published, if the image's name still refers to that file.
    pub fn save(&self, id: &ImageId, file: &File, table: &DigestTable) {
        let save = || -> io::Result<()> {
            let key = FileKey::of(file)?;
            // Not flushed: a torn file is detected, and the digests can be computed again.
            let staged = self.directory.stage_digests(id, &table.to_bytes(id, &key), false)?;
            let _lock = self.directory.lock_within(SAVE_LOCK_TIMEOUT)?;
            if self.directory.is_in_place(id, file)? && FileKey::of(file)? == key {
                staged.publish()?;
            }
            Ok(())
        };
        if let Err(error) = save() {
            tracing::warn!(image = %id, %error, "its block digests cannot be saved; the next use computes them again");
        }
    }

    /// The mutex of one image: a thread locks it to load or compute the image's digests, so that only one thread does so.
    pub fn load_mutex(&self, id: &ImageId) -> Arc<Mutex<()>> {
        let mut loading = lock(&self.loading);
        loading.retain(|_, mutex| mutex.strong_count() > 0);
        if let Some(mutex) = loading.get(id).and_then(Weak::upgrade) {
            return mutex;
        }
        let mutex = Arc::new(Mutex::new(()));
        loading.insert(id.clone(), Arc::downgrade(&mutex));
        mutex
    }
}

impl TableCache {
    fn insert(&mut self, id: &ImageId, key: FileKey, table: &Arc<DigestTable>) {
        self.remove(id);
        let cost = table.blocks() + TABLE_OVERHEAD;
        if self.cost + cost > MAX_CACHED_DIGESTS {
            *self = TableCache::default();
        }
        self.cost += cost;
        self.tables.insert(id.clone(), (key, Arc::clone(table)));
    }

    fn remove(&mut self, id: &ImageId) {
        if let Some((_, table)) = self.tables.remove(id) {
            self.cost -= table.blocks() + TABLE_OVERHEAD;
        }
    }
}
