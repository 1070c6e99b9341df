//! Block digests: what the bytes of a cached image are held against whenever they are served.
//!
//! Each block of 1 MiB has a digest, made of the very bytes that a fetch verified, and written to
//! `.image-cache/blocks/` before the image is published. A read verifies each block before it hands out a
//! byte of it; one that differs is an error for that read, and the [image leaves the cache](condemn).
//!
//! **The digest** is XXH3 with 64 bits. It tells damage (rotten bits, torn or lost writes, files cut short or
//! exchanged), not malice: whoever can write to the cache directory can write digests, too. Damage that is
//! blind to the digest goes unseen in one of 2^64 damaged blocks; with a damaged block found each second, that
//! is once in 580 billion years, so that 128 bits would buy nothing but longer files. A digest is compared
//! with the one of its own place only, so there is no birthday paradox. As measured on a Zen 5 core, in GB/s
//! of its own time: a warm read of 1 MiB 33; XXH3 143 with AVX-512 and 74 with AVX2 as we have it [made](digest),
//! 54 as `twox-hash` makes it (AVX2); CRC-64/NVME 69 with AVX-512 (`crc-fast`) and 13 without; rapidhash 50.
//!
//! **Whose digests they are** is the content's to say. A file of digests belongs to an id, and what was verified
//! under an id stays the measure of what lies under that name until the cache itself removes or replaces it.
//! So a directory that was copied, moved or restored (`cp`, `rsync`, `tar`; other inodes, perhaps other times)
//! keeps its digests, and so does an image that another program removed and cached again, since it has the same
//! bytes. A file of another size, or with other bytes, was cut short, written to or exchanged, and is refused,
//! whether that happened while the cache was open or not: [reconciling](crate::reconcile) adopts it into the
//! records, reading it finds it out. There is one exception: where the records hold a record that another program
//! made of this very file, after our digests, that program (Glance) has replaced the image, and the digests go.
//!
//! Beside the id, a file of digests names the inode, size and modification time that its image had. They tell
//! whether it can be the digests of a successor, published while somebody opened its predecessor: where they
//! do not agree with the open file, and the image's name does not lead to that file any more, the reader starts
//! again. Nothing is moved away or written unless the name still leads to the file that was read, under the
//! directory's lock.
//!
//! **Without digests** (an image of Glance's, a file of digests that is missing or torn, which its own digest
//! tells) the first use decides: where the record has a checksum, the whole file is held against that first;
//! where it has none, each block is trusted when it is first read. Either way there are digests then.

mod digest;
mod table;

pub use digest::{BLOCK, BlockDigests};
pub use table::DigestTable;
pub use table::Trust;

use crate::directory::{Directory, FileKey, StagedDigests, UnlinkedFile};
use crate::sync::lock;
use image_cache_model::ImageId;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, SystemTime};

/// Digests that are kept in memory: 32 MiB of them, those of 4 TiB of images.
const KEPT: usize = 4 << 20;

/// What an image costs in memory beside its digests, in digests.
const ENTRY: usize = 20;

/// Images larger than this (16 TiB) are served as they are: their digests would not fit into memory.
pub const LARGEST: u64 = 16 << 40;

/// How long saving digests waits for the directory: they can be saved another time.
const PATIENCE: Duration = Duration::from_millis(200);

/// Stray digest files that are removed under one hold of the directory's lock.
const BATCH: usize = 64;

/// The block digests of a cache.
#[derive(Debug)]
pub struct DigestStore {
    directory: Arc<Directory>,
    kept: Mutex<TableCache>,
    /// Images whose digests somebody is looking for or making.
    sought: Mutex<HashMap<ImageId, Weak<Mutex<()>>>>,
}

#[derive(Debug, Default)]
struct TableCache {
    tables: HashMap<ImageId, (FileKey, Arc<DigestTable>)>,
    cost: usize,
}

impl DigestStore {
    /// Of the images in this directory; nothing is read yet.
    pub fn new(directory: Arc<Directory>) -> DigestStore {
        DigestStore { directory, kept: Mutex::default(), sought: Mutex::default() }
    }

    /// The digests of a file that was fetched, on their way to disk.
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

    /// Puts them in place, just before their image. Without them it is verified against its checksum when it
    /// is first read. Call with the directory locked.
    pub fn publish(&self, id: &ImageId, staged: io::Result<StagedDigests>) {
        if let Err(error) = staged.and_then(StagedDigests::publish) {
            tracing::warn!(image = %id, %error, "its block digests cannot be written; they are made at its first use");
            // Nor must it have those of a predecessor.
            self.remove(id);
        }
    }

    /// Forgets an image's digests. Call with the directory locked, once the image has left its place.
    pub fn remove(&self, id: &ImageId) -> Option<UnlinkedFile> {
        lock(&self.kept).remove(id);
        self.directory.remove_digests(id).unwrap_or_else(|error| {
            // They go when the cache is opened or cleaned, or when others take their place.
            tracing::debug!(image = %id, %error, "the digests of a removed image remain for now");
            None
        })
    }

    /// Forgets digests that are older than the record that another program made of the image's file: it has
    /// replaced the image. A record with their own time is ours, of the file that they are of. Call with the
    /// directory locked.
    pub fn forget_replaced(&self, id: &ImageId, recorded: SystemTime) {
        if let Ok(Some((of, _))) = self.load(id)
            && of.modified_micros() != recorded
        {
            tracing::info!(image = %id, "another program has replaced it: its block digests are forgotten");
            self.remove(id);
        }
    }

    /// Removes what no image needs: digests of images that are gone, and what a killed writer left.
    pub fn sweep<'a>(&self, images: impl Iterator<Item = &'a ImageId>) {
        let sweep = || -> io::Result<()> {
            for names in self.directory.stray_digests(images)?.chunks(BATCH) {
                let _lock = self.directory.lock()?;
                for name in names {
                    // One that cannot be removed must not keep the others.
                    if let Err(error) = self.remove_stray(name) {
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

    fn remove_stray(&self, name: &str) -> io::Result<()> {
        let head = self.directory.digest_file_head(name, DigestTable::HEAD_AND_ID)?;
        self.directory.remove_stray_digests(name, DigestTable::id_in(&head).as_ref())
    }

    /// Why an image's bytes are taken for right.
    pub fn trust(&self, id: &ImageId, file: &File) -> io::Result<Trust> {
        if let Some(table) = self.known(id, &FileKey::of(file)?) {
            return Ok(table.trust());
        }
        Ok(self.load(id)?.map_or(Trust::NotYet, |(_, table)| table.trust()))
    }

    /// The digests that this process knows of this very file.
    pub fn known(&self, id: &ImageId, key: &FileKey) -> Option<Arc<DigestTable>> {
        let kept = lock(&self.kept);
        kept.tables.get(id).filter(|(known, _)| known == key).map(|(_, table)| Arc::clone(table))
    }

    /// Those that it knows of a file with this inode, which was written to or touched since.
    pub fn known_before(&self, id: &ImageId, inode: u64) -> Option<Arc<DigestTable>> {
        let kept = lock(&self.kept);
        kept.tables.get(id).filter(|(known, _)| known.inode == inode).map(|(_, t)| Arc::clone(t))
    }

    /// Keeps an image's digests in memory.
    pub fn keep(&self, id: &ImageId, key: FileKey, table: &Arc<DigestTable>) {
        lock(&self.kept).insert(id, key, table);
    }

    /// The digests on disk, and of which file they were made; nothing where there are none that are whole.
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
            // Not flushed: torn ones tell of themselves, and can be made again.
            let staged = self.directory.stage_digests(id, &table.to_bytes(id, &key), false)?;
            let _lock = self.directory.lock_within(PATIENCE)?;
            if self.directory.is_in_place(id, file)? && FileKey::of(file)? == key {
                staged.publish()?;
            }
            Ok(())
        };
        if let Err(error) = save() {
            tracing::warn!(image = %id, %error, "its block digests cannot be saved; they are made again next time");
        }
    }

    /// Held by whoever looks for an image's digests or makes them: once is enough.
    pub fn seek(&self, id: &ImageId) -> Arc<Mutex<()>> {
        let mut sought = lock(&self.sought);
        sought.retain(|_, at_work| at_work.strong_count() > 0);
        if let Some(at_work) = sought.get(id).and_then(Weak::upgrade) {
            return at_work;
        }
        let at_work = Arc::new(Mutex::new(()));
        sought.insert(id.clone(), Arc::downgrade(&at_work));
        at_work
    }
}

impl TableCache {
    fn insert(&mut self, id: &ImageId, key: FileKey, table: &Arc<DigestTable>) {
        self.remove(id);
        let cost = table.blocks() + ENTRY;
        // Those that are still needed are read again.
        if self.cost + cost > KEPT {
            *self = TableCache::default();
        }
        self.cost += cost;
        self.tables.insert(id.clone(), (key, Arc::clone(table)));
    }

    fn remove(&mut self, id: &ImageId) {
        if let Some((_, table)) = self.tables.remove(id) {
            self.cost -= table.blocks() + ENTRY;
        }
    }
}
