//! The digests that the bytes of an open image are compared with, found or made at its first use.

use super::quarantine::quarantine;
use crate::cache::CacheInner;
use crate::error::{Error, Result};
use crate::metadata::DriverBudget;
use image_cache_model::{Checksum, ChecksumAlgorithm, ImageId};
use image_cache_store::FileKey;
use image_cache_store::integrity::{BlockDigests, DigestTable, MAX_IMAGE_BYTES, Trust};
use image_cache_store::md5::{Md5Digest, WRITE_BLOCK};
use image_cache_store::sync::lock;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// What an open image is compared with.
pub(crate) enum Verifier {
    /// These digests, some of which may be learned by reading.
    By(Arc<DigestTable>),
    /// Nothing: it is larger than what digests are kept for.
    TooLarge,
    /// The file is cached no more, another one may be: open the image again.
    Gone,
}

/// Finds the digests of an open image. If there are none and the record has a checksum, the whole file is
/// read and compared with that, by one reader for all that wait for it.
///
/// # Errors
/// [`Error::Corrupt`], for a file of the wrong size or with the wrong checksum, which has left the cache then;
/// [`Error::Metadata`], if it cannot be found out whether there is a checksum.
pub(crate) fn load_or_build(inner: &CacheInner, id: &ImageId, file: &File) -> Result<Verifier> {
    let key = key_of(id, file)?;
    if let Some(table) = inner.digests.cached_table(id, &key) {
        return Ok(Verifier::By(table));
    }
    let at_work = inner.digests.load_mutex(id);
    let _at_work = lock(&at_work);
    load_or_build_with_progress(inner, id, file, &mut |_| ())
}

/// The same for a caller that may take its time: nobody waits for it. `progress` is called with how many bytes were read at
/// a time.
pub(crate) fn load_or_build_with_progress(
    inner: &CacheInner,
    id: &ImageId,
    file: &File,
    progress: &mut dyn FnMut(u64),
) -> Result<Verifier> {
    let key = key_of(id, file)?;
    match inner.digests.cached_table(id, &key) {
        Some(table) => Ok(Verifier::By(table)),
        None if key.size > MAX_IMAGE_BYTES => {
            tracing::warn!(image = %id, "it is too large to be verified");
            Ok(Verifier::TooLarge)
        }
        None => find_or_build(inner, id, file, key, progress),
    }
}

fn key_of(id: &ImageId, file: &File) -> Result<FileKey> {
    FileKey::of(file).map_err(Error::image("examine", id))
}

fn find_or_build(
    inner: &CacheInner,
    id: &ImageId,
    file: &File,
    key: FileKey,
    progress: &mut dyn FnMut(u64),
) -> Result<Verifier> {
    let store = &inner.digests;
    let loaded = store.load(id);
    // Digests that cannot be read just now may be better than those that could be made.
    let save_when_complete = loaded.is_ok();
    let loaded = loaded.unwrap_or_else(|error| {
        tracing::warn!(image = %id, %error, "its block digests cannot be read");
        None
    });
    let table = match loaded {
        Some((of, _)) if of != key && !is_in_place(inner, id, file)? => return Ok(Verifier::Gone),
        Some((_, table)) => Some(Arc::new(table)),
        None => store.cached_table_of_inode(id, key.inode),
    };
    let table = match table {
        Some(table) if table.size() == key.size => table,
        Some(table) => {
            let reason = format!("it has {} bytes, {} were cached", key.size, table.size());
            return Err(quarantine(inner, id, file, reason));
        }
        None => match build(inner, id, file, &key, (save_when_complete, progress))? {
            Some(table) => table,
            None => return Ok(Verifier::Gone),
        },
    };
    store.cache_table(id, key, &table);
    if table.take_unsaved() {
        store.save(id, file, &table);
    }
    Ok(Verifier::By(table))
}

/// Makes the digests, from the checksum in the record or at first use; nothing if the file is cached no more.
fn build(
    inner: &CacheInner,
    id: &ImageId,
    file: &File,
    key: &FileKey,
    (save_when_complete, progress): (bool, &mut dyn FnMut(u64)),
) -> Result<Option<Arc<DigestTable>>> {
    let record =
        inner.read_metadata(|metadata| metadata.cached_image(id, &DriverBudget::one_call()))?;
    // An image that another process is replacing must not be compared with its successor's checksum.
    if !is_in_place(inner, id, file)? {
        return Ok(None);
    }
    let is_md5 = |sum: &Checksum| sum.algorithm() == ChecksumAlgorithm::Md5;
    Ok(Some(match record.and_then(|record| record.checksum).filter(is_md5) {
        Some(checksum) => verify_checksum(inner, id, file, &checksum, progress)?,
        None => Arc::new(DigestTable::trust_on_first_use(key.size, save_when_complete)),
    }))
}

fn is_in_place(inner: &CacheInner, id: &ImageId, file: &File) -> Result<bool> {
    inner.directory.is_in_place(id, file).map_err(Error::image("examine", id))
}

/// Compares the whole file with the checksum in its record, and makes its digests from the same read.
fn verify_checksum(
    inner: &CacheInner,
    id: &ImageId,
    file: &File,
    expected: &Checksum,
    progress: &mut dyn FnMut(u64),
) -> Result<Arc<DigestTable>> {
    tracing::info!(image = %id, "it has no block digests: it is verified against its checksum first");
    let (mut md5, mut digests) = (Md5Digest::new(), BlockDigests::default());
    let (mut buffer, mut size) = (Vec::with_capacity(WRITE_BLOCK), 0);
    loop {
        buffer.resize(WRITE_BLOCK, 0);
        match file.read_at(&mut buffer, size) {
            Ok(0) => break,
            Ok(count) => {
                buffer.truncate(count);
                digests.update(&buffer);
                buffer = md5.update(buffer);
                size += count as u64;
                progress(count as u64);
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(Error::image("read", id)(e)),
        }
    }
    let found = md5.finish().map_err(Error::image("hash", id))?;
    if found != *expected {
        let reason = format!("its MD5 is {found}, its record says {expected}");
        return Err(quarantine(inner, id, file, reason));
    }
    let table = Arc::new(DigestTable::from_digests(size, Trust::Checksum, digests));
    inner.digests.save(id, file, &table);
    Ok(table)
}
