//! Block digests: each read of a cached image is verified against them.
//!
//! Each block of 1 MiB has a digest, computed from the bytes that a fetch verified, and written to
//! `.image-cache/blocks/` before the image is published. A read verifies each block before it returns a
//! byte of it. If a block differs, the read fails, and the image is [quarantined](crate::Directory::quarantine).
//!
//! **The digest** is XXH3 with 64 bits. It detects damage (bit rot, torn or lost writes, truncated or
//! exchanged files), not malice: a process that can write to the cache directory can write digests, too. One of
//! 2^64 damaged blocks is not detected; with a damaged block each second, that is once in 580 billion years, so
//! 128 bits would only make the files longer. A digest is compared with the one of its own block only, so there
//! is no birthday paradox. Measured on a Zen 5 core, in GB/s of its own time: a warm read of 1 MiB 33; XXH3 143
//! with AVX-512 and 74 with AVX2 as implemented here, 54 as `twox-hash` computes it (AVX2); CRC-64/NVME 69 with AVX-512 (`crc-fast`) and 13 without; rapidhash 50.
//!
//! **The digests belong to the content.** A digest file names an id. What was verified under an id stays the
//! reference for the file of that name until the cache itself removes or replaces it.
//! So a directory that was copied, moved or restored (`cp`, `rsync`, `tar`; other inodes, perhaps other times)
//! keeps its digests, and so does an image that another program removed and cached again, since it has the same
//! bytes. A file of another size, or with other bytes, was truncated, written to or exchanged, and is refused,
//! whether that happened while the cache was open or not: reconciling adds it to the records, and the first read
//! detects it. There is one exception: if another program has recorded this file after the digests were made,
//! that program (Glance) has replaced the image, and the digests are removed.
//!
//! Besides the id, a digest file names the inode, size and modification time of its image's file. A reader may
//! have opened a file just before a new one was published with new digests. So if these three differ from the
//! open file, and the image's name leads to another file by now, the reader starts again. Nothing is moved away
//! or written unless, under the directory's lock, the name still leads to the file that was read.
//!
//! **Without digests** (an image of Glance's, or a digest file that is missing or torn, which its own digest
//! shows) the first use makes them: if the record has a checksum, the whole file is verified against it first;
//! if not, each block is trusted on first use.

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

/// Digests that are cached in memory: 32 MiB of them, those of 4 TiB of images.
const MAX_CACHED_DIGESTS: usize = 4 << 20;

/// Memory of a cached table besides its digests, in digests.
const TABLE_OVERHEAD: usize = 20;

/// Images with more bytes (16 TiB) are served without verification: their digests would not fit into memory.
pub const MAX_IMAGE_BYTES: u64 = 16 << 40;

/// How long saving digests waits for the directory's lock: they can be saved another time.
const SAVE_LOCK_TIMEOUT: Duration = Duration::from_millis(200);

/// Orphan digest files that are removed while the directory's lock is held once.
const SWEEP_BATCH: usize = 64;

/// The block digests of a cache: on disk, with a bounded number of tables in memory.
///
/// A fill [stages](Self::stage) the digests of its image and [publishes](Self::publish) them just before the image. A read takes
/// them from memory, or loads or builds them under [`load_mutex`](Self::load_mutex). Losing digests is never an error: they are
/// built again at the next use.
#[derive(Debug)]
pub struct DigestStore {
    directory: Arc<Directory>,
    cached: Mutex<TableCache>,
    /// Images whose digests a thread is loading or building.
    loading: Mutex<HashMap<ImageId, Weak<Mutex<()>>>>,
}

/// Tables in memory. When it is full, all of them are dropped: those that are still needed are loaded again.
#[derive(Debug, Default)]
struct TableCache {
    tables: HashMap<ImageId, (FileKey, Arc<DigestTable>)>,
    cost: usize,
}

impl DigestStore {
    /// The digests of the images in this directory; nothing is read yet.
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

    /// Publishes staged digests, just before their image. If that fails, the image is verified against its checksum when it is
    /// first read. Call with the directory locked.
    pub fn publish(&self, id: &ImageId, staged: io::Result<StagedDigests>) {
        if let Err(error) = staged.and_then(StagedDigests::publish) {
            tracing::warn!(image = %id, %error, "its block digests cannot be written; they are made at its first use");
            // The image must not be published with the digests of another file.
            self.remove(id);
        }
    }

    /// Removes an image's digests. Call with the directory locked, when the image's file is gone.
    pub fn remove(&self, id: &ImageId) -> Option<UnlinkedFile> {
        lock(&self.cached).remove(id);
        self.directory.remove_digests(id).unwrap_or_else(|error| {
            // They are removed when the cache is opened or cleaned, or replaced by others.
            tracing::debug!(image = %id, %error, "the digests of a removed image remain for now");
            None
        })
    }

    /// Removes digests that are older than the record that another program made of the image's file: it has
    /// replaced the image. A record with the time of the digests was made by this cache. Call with the directory locked.
    pub fn remove_if_replaced(&self, id: &ImageId, recorded: SystemTime) {
        if let Ok(Some((of, _))) = self.load(id)
            && of.modified_micros() != recorded
        {
            tracing::info!(image = %id, "another program has replaced it: its block digests are forgotten");
            self.remove(id);
        }
    }

    /// Removes what no image needs: digests of images that are gone, and what a killed process left.
    pub fn sweep<'a>(&self, images: impl Iterator<Item = &'a ImageId>) {
        let sweep = || -> io::Result<()> {
            for names in self.directory.orphan_digests(images)?.chunks(SWEEP_BATCH) {
                let _lock = self.directory.lock()?;
                for name in names {
                    // One that cannot be removed must not prevent the removal of the others.
                    if let Err(error) = self.remove_orphan(name) {
                        tracing::warn!(name, %error, "cannot be removed from .image-cache/blocks");
                    }
                }
            }
            Ok(())
        };
        if let Err(error) = sweep() {
            tracing::warn!(%error, "digests of images that are gone remain for now");
        }
    }

    fn remove_orphan(&self, name: &str) -> io::Result<()> {
        let head = self.directory.digest_file_head(name, DigestTable::HEAD_AND_ID)?;
        self.directory.remove_orphan_digests(name, DigestTable::id_in(&head).as_ref())
    }

    /// Why the bytes of this image are taken for right.
    pub fn trust_of(&self, id: &ImageId, file: &File) -> io::Result<Trust> {
        if let Some(table) = self.cached_table(id, &FileKey::of(file)?) {
            return Ok(table.trust());
        }
        Ok(self.load(id)?.map_or(Trust::NotYet, |(_, table)| table.trust()))
    }

    /// The digests of this very file that this process has in memory.
    pub fn cached_table(&self, id: &ImageId, key: &FileKey) -> Option<Arc<DigestTable>> {
        let cached = lock(&self.cached);
        cached.tables.get(id).filter(|(known, _)| known == key).map(|(_, table)| Arc::clone(table))
    }

    /// The digests that it has of a file with this inode, which was written to or touched since.
    pub fn cached_table_of_inode(&self, id: &ImageId, inode: u64) -> Option<Arc<DigestTable>> {
        let cached = lock(&self.cached);
        cached.tables.get(id).filter(|(known, _)| known.inode == inode).map(|(_, t)| Arc::clone(t))
    }

    /// Caches an image's digests in memory.
    pub fn cache_table(&self, id: &ImageId, key: FileKey, table: &Arc<DigestTable>) {
        lock(&self.cached).insert(id, key, table);
    }

    /// The digests on disk, and the file of which they were made; `None` if there are none, or they are damaged.
    pub fn load(&self, id: &ImageId) -> io::Result<Option<(FileKey, DigestTable)>> {
        let Some(bytes) = self.directory.read_digests(id)? else { return Ok(None) };
        let whole = DigestTable::from_bytes(&bytes, id);
        if whole.is_none() {
            tracing::warn!(image = %id, "its block digests are damaged; they are made anew");
        }
        Ok(whole)
    }

    /// Saves digests that were made later than their image, if the image is still that file.
    pub fn save(&self, id: &ImageId, file: &File, table: &DigestTable) {
        let save = || -> io::Result<()> {
            let key = FileKey::of(file)?;
            // Not flushed: a torn file is detected, and the digests can be made again.
            let staged = self.directory.stage_digests(id, &table.to_bytes(id, &key), false)?;
            let _lock = self.directory.lock_within(SAVE_LOCK_TIMEOUT)?;
            if self.directory.is_in_place(id, file)? && FileKey::of(file)? == key {
                staged.publish()?;
            }
            Ok(())
        };
        if let Err(error) = save() {
            tracing::warn!(image = %id, %error, "its block digests cannot be saved; they are made again next time");
        }
    }

    /// The mutex of one image: a thread locks it to load or build the image's digests, so that this is done once.
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
