//! Finds the digests of an open image, or computes them at its first use.

use super::quarantine::quarantine;
use crate::cache::CacheInner;
use crate::error::{Damage, Error, Result};
use crate::metadata::DriverBudget;
use image_cache_model::{Checksum, ImageId};
use image_cache_store::FileKey;
use image_cache_store::image_hasher::{ImageHasher, WRITE_BLOCK};
use image_cache_store::integrity::{BlockDigests, DigestTable, MAX_IMAGE_BYTES, Trust};
use image_cache_store::sync::lock;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// The digests for an open image.
pub(crate) enum Verifier {
    /// These digests. Reading may set unknown ones.
    By(Arc<DigestTable>),
    /// None: the image is too large.
    TooLarge,
    /// The file is no longer cached, but another one may be: open the image again.
    Gone,
}

/// Finds the digests of an open image. If there are none and the record has a checksum, one reader verifies the whole file
/// against it, and other readers wait.
///
/// # Errors
/// [`Error::Corrupt`] for a file with the wrong size or checksum, which is then quarantined; [`Error::Metadata`] if the record
/// cannot be read.
pub(crate) fn load_or_build(inner: &CacheInner, id: &ImageId, file: &File) -> Result<Verifier> {
    let key = key_of(id, file)?;
    if let Some(table) = inner.digests.cached_table(id, &key) {
        return Ok(Verifier::By(table));
    }
    let at_work = inner.digests.load_mutex(id);
    let _at_work = lock(&at_work);
    load_or_build_with_progress(inner, id, file, &mut |_| ())
}

/// Like [`load_or_build`], but other readers do not wait for it. `progress` gets the number of bytes of each read.
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
    // Digests that are temporarily unreadable may be better than new ones, which must not replace them.
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
            let damage = Damage::Size { expected: table.size(), found: key.size };
            return Err(quarantine(inner, id, file, damage));
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

/// Computes the digests, after verifying the record's checksum, or on first use; `None` if the file is no longer cached.
fn build(
    inner: &CacheInner,
    id: &ImageId,
    file: &File,
    key: &FileKey,
    (save_when_complete, progress): (bool, &mut dyn FnMut(u64)),
) -> Result<Option<Arc<DigestTable>>> {
    let record =
        inner.read_metadata(|metadata| metadata.cached_image(id, &DriverBudget::one_call()))?;
    // An image that another process replaces must not be compared with the new image's checksum.
    if !is_in_place(inner, id, file)? {
        return Ok(None);
    }
    Ok(Some(match record.and_then(|record| record.checksum) {
        Some(checksum) => verify_checksum(inner, id, file, &checksum, progress)?,
        None => Arc::new(DigestTable::trust_on_first_use(key.size, save_when_complete)),
    }))
}

fn is_in_place(inner: &CacheInner, id: &ImageId, file: &File) -> Result<bool> {
    inner.directory.is_in_place(id, file).map_err(Error::image("examine", id))
}

/// Verifies the whole file against the checksum in its record, and computes its digests from the same bytes.
fn verify_checksum(
    inner: &CacheInner,
    id: &ImageId,
    file: &File,
    expected: &Checksum,
    progress: &mut dyn FnMut(u64),
) -> Result<Arc<DigestTable>> {
    let _span = tracing::debug_span!("verify", image = %id).entered();
    tracing::info!(image = %id, "it has no block digests: it is verified against its checksum first");
    let algorithm = expected.algorithm();
    let (mut hasher, mut digests) = (ImageHasher::new([algorithm]), BlockDigests::default());
    let (mut buffer, mut size) = (Vec::with_capacity(WRITE_BLOCK), 0);
    loop {
        buffer.resize(WRITE_BLOCK, 0);
        match file.read_at(&mut buffer, size) {
            Ok(0) => break,
            Ok(count) => {
                buffer.truncate(count);
                digests.update(&buffer);
                buffer = hasher.update(buffer);
                size += count as u64;
                progress(count as u64);
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(Error::image("read", id)(e)),
        }
    }
    let found = hasher.finish().map_err(Error::image("hash", id))?;
    if let Some(found) = found.into_iter().find(|found| found != expected) {
        let damage = Damage::Checksum { expected: expected.clone(), found };
        return Err(quarantine(inner, id, file, damage));
    }
    let table = Arc::new(DigestTable::from_digests(size, Trust::Checksum, digests));
    inner.digests.save(id, file, &table);
    Ok(table)
}
