//! Moves the records from one driver to another, through the driver interface.

use crate::error::{DriverFailure, Error, MigrationFailure, Result};
use crate::metadata::{DriverBudget, MAX_ORPHAN_RECORDS, PAGE};
use crate::reconcile::{adopted, agree, renewed};
use image_cache_engine::Driver;
use image_cache_model::{CachedImage, Config, ImageId};
use image_cache_store::{Directory, FileInfo, OpenLock, names};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// The result of [`migrate`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Migrated {
    /// Records that the new driver has: one for each cached image.
    pub images: u64,
    /// The hits in these records.
    pub hits: u64,
    /// Records that were made from the file, as on opening: the old driver had no record of the image, or one with another size
    /// or time.
    pub adopted: u64,
    /// Orphan records of the old driver, which were left out.
    pub left_out: u64,
    /// Earlier records of the new driver that were removed, because their images are not cached.
    pub forgotten: u64,
}

/// Moves the records from the driver `from` to the driver `to`, both named as in `image_cache_driver`: every record of a cached
/// image with its hits, times and checksum. It replaces the records of `to`. After each page it calls `moved` with the number of
/// records moved so far.
///
/// No other process may have the cache open. At the end, `migrate` reads the new records and compares them. It changes no record
/// of `from`, so that you can return to them (the sqlite driver only removes rows that are not records: their ids are not valid);
/// they then lack the hits counted meanwhile, unless you migrate back in the same way. The caller must change the configuration.
///
/// ```
/// use image_cache::{Config, Expected, ImageCache, migrate};
/// # let scratch = tempfile::tempdir()?;
/// # let directory = scratch.path().join("cache");
/// let config = Config::builder(directory).driver("sqlite").build()?;
/// let cache = ImageCache::open(config.clone())?;
/// cache.cache_image("firmware", std::io::Cursor::new(b"bytes"), Expected::nothing())?;
/// assert!(migrate(&config, "sqlite", "xattr", |_| ()).is_err(), "the cache is open");
/// drop(cache);
/// assert_eq!(migrate(&config, "sqlite", "xattr", |_| ())?.images, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If the cache is in use, a driver cannot be loaded or fails, `from` has no records, or the new records differ from the old ones
/// at the end. The records of `from` are then unchanged.
pub fn migrate(config: &Config, from: &str, to: &str, moved: impl FnMut(u64)) -> Result<Migrated> {
    let directory = Arc::new(Directory::open(&config.dir, &config.sqlite_db)?);
    let _alone = lock_exclusively(&directory)?;
    let fault = |reason| Error::Migration { from: from.into(), to: to.into(), reason };
    let load = |name: &str| {
        let driver = Driver::load(name, config, Arc::clone(&directory));
        driver.map_err(|error| fault(error.into()))
    };
    let (old, new) = (load(from)?, load(to)?);
    if old.name() == new.name() {
        return Err(fault(MigrationFailure::SameDriver));
    }
    let mut migrated = Migrated::default();
    let files = directory.cached_files().and_then(|files| files.collect::<io::Result<Vec<_>>>());
    let files = files.map_err(Error::directory("read", directory.path_of("")))?;
    let recorded = all(&old, files.len())?;
    if recorded.is_empty() && !files.is_empty() {
        return Err(fault(MigrationFailure::NoRecords { from: from.into() }));
    }
    let records = true_records(recorded, files, &mut migrated);
    write(&new, &records, moved)?;
    migrated.forgotten = forget_others(&new, &records)?;
    if let Some(difference) = difference(&records, &all(&new, records.len())?) {
        return Err(fault(MigrationFailure::Differs { difference }));
    }
    Ok(migrated)
}

type Records = BTreeMap<ImageId, CachedImage>;

fn lock_exclusively(directory: &Directory) -> Result<OpenLock> {
    let alone = directory.open_lock_exclusive();
    let alone = alone.map_err(Error::directory("lock", directory.path_of(names::USERS)))?;
    alone.ok_or_else(|| Error::InUse { path: directory.path().to_owned() })
}

/// The old records after the repairs that opening the cache makes. The stored records are not changed.
fn true_records(
    mut old: Records,
    files: Vec<(ImageId, FileInfo)>,
    migrated: &mut Migrated,
) -> Records {
    let mut records = Records::new();
    for (id, file) in files {
        let record = match old.remove(&id) {
            Some(record) if agree(&record, &file) => record,
            other => {
                migrated.adopted += 1;
                other.map_or_else(|| adopted(&id, &file), |record| renewed(&record, &file))
            }
        };
        migrated.images += 1;
        migrated.hits = migrated.hits.saturating_add(record.hits);
        records.insert(id, record);
    }
    migrated.left_out = old.len() as u64;
    records
}

fn write(new: &Driver, records: &Records, mut moved: impl FnMut(u64)) -> Result<()> {
    let budget = DriverBudget::of(records.len() as u64);
    for (count, record) in (1..).zip(records.values()) {
        let failed = |error| in_metadata("record an image", new, error);
        budget.run(new, |new| new.record_cached(record, None)).map_err(failed)?;
        if count % u64::from(PAGE) == 0 {
            moved(count);
        }
    }
    moved(records.len() as u64);
    Ok(())
}

/// Removes earlier records of images that are not cached.
fn forget_others(new: &Driver, records: &Records) -> Result<u64> {
    let others: Vec<ImageId> =
        all(new, records.len())?.into_keys().filter(|id| !records.contains_key(id)).collect();
    let budget = DriverBudget::of(others.len() as u64);
    for some in others.chunks(PAGE as usize) {
        budget
            .run(new, |new| new.forget(some))
            .map_err(|error| in_metadata("forget images", new, error))?;
    }
    Ok(others.len() as u64)
}

/// All records; an error if there are far more than `cached` images: the list of a hostile driver may have no end.
fn all(driver: &Driver, cached: usize) -> Result<Records> {
    let mut records = Records::new();
    let budget = DriverBudget::of(cached as u64);
    loop {
        let after = records.last_key_value().map(|(id, _)| id);
        let page = budget.run(driver, |driver| driver.cached_images(after, PAGE));
        let page = page.map_err(|error| in_metadata("list images", driver, error))?;
        if page.is_empty() {
            return Ok(records);
        }
        records.extend(page.into_iter().map(|record| (record.image_id.clone(), record)));
        if records.len() > cached + MAX_ORPHAN_RECORDS {
            let reason = DriverFailure::EndlessList { most: MAX_ORPHAN_RECORDS };
            return Err(in_metadata("end a list", driver, reason));
        }
    }
}

/// How the new records differ from the written ones: the number of differing records, and the first one.
fn difference(written: &Records, read: &Records) -> Option<String> {
    let wrong = written.iter().filter(|(id, record)| read.get(*id) != Some(*record));
    let more = read.keys().filter(|id| !written.contains_key(*id));
    let differing: Vec<&ImageId> = wrong.map(|(id, _)| id).chain(more).collect();
    let first = *differing.first()?;
    Some(format!(
        "in {} of {} records; the first is of image {first}: \
         {} was written, {} was read",
        differing.len(),
        written.len(),
        words(written.get(first)),
        words(read.get(first)),
    ))
}

fn words(record: Option<&CachedImage>) -> String {
    record.map_or_else(|| "no record".into(), |record| format!("{record:?}"))
}

fn in_metadata(
    operation: &'static str,
    driver: &Driver,
    reason: impl Into<DriverFailure>,
) -> Error {
    Error::Metadata { operation, driver: driver.name().to_owned(), reason: reason.into() }
}
