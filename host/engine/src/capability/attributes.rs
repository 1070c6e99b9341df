//! The capability `attributes`: extended attributes of cached images, in the driver's own name space.

mod extended;
mod lock;

use super::error::{CapabilityError, io_error};
use super::images::{Images, OpenImage};
use crate::driver::deadline::Deadline;
use extended::Found;
use image_cache_model::{ImageId, printable};
use image_cache_store::Directory;
use lock::AttributesLock;
use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::sync::Arc;

/// Maximum length of a value, in bytes.
pub const MAX_VALUE: usize = 4096;

/// Maximum length of a name inside the name space, in bytes.
const MAX_NAME: usize = 64;

/// Maximum number of attributes that a driver may give an image.
pub const MAX_ATTRIBUTES: usize = 32;

/// Which names a driver may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameSpace {
    /// `user.hits` and `user.checksum`, as in Glance.
    Glance,
    /// `user.image-cache.DRIVER.*`.
    Driver(String),
}

/// Access to the attributes of one driver. Changes are made under a lock that all processes share.
#[derive(Debug)]
pub struct Attributes {
    names: NameSpace,
    deadline: Deadline,
    lock: AttributesLock,
    supported: Option<bool>,
}

impl Attributes {
    pub fn new(names: NameSpace, deadline: Deadline) -> Self {
        Attributes { names, deadline, lock: AttributesLock::default(), supported: None }
    }

    /// Whether the cache's file system supports user attributes. This is tried on a file of the host until it succeeds or is
    /// refused. An error states why the result is unknown.
    pub fn is_supported(&mut self, directory: &Directory) -> io::Result<bool> {
        if let Some(known) = self.supported {
            return Ok(known);
        }
        let found = keeps_attributes(probe(directory))?;
        if !found {
            tracing::debug!("the cache's file system does not support user attributes");
        }
        self.supported = Some(found);
        Ok(found)
    }

    /// If a driver reads several attributes in a row, the file is opened once.
    pub fn get(
        &self,
        images: &mut Images,
        id: &str,
        name: &str,
    ) -> Result<Option<Vec<u8>>, CapabilityError> {
        let (name, id) = (self.names.full(name)?, images.id(id)?);
        if let Some((file, _)) = images.open_file_with_stat(&id) {
            return value(file, &name);
        }
        let file = published(images, &id)?;
        value(images.keep_open(OpenImage { image_id: id, file }), &name)
    }

    pub fn set(
        &mut self,
        images: &Images,
        id: &str,
        name: &str,
        value: &[u8],
    ) -> Result<(), CapabilityError> {
        if value.len() > MAX_VALUE {
            return Err(CapabilityError::TooLarge);
        }
        let name = self.names.full(name)?;
        let file = image_file(images, &images.id(id)?)?;
        let _locked = self.lock.hold(&images.directory, &self.deadline)?;
        if self.names.is_full(&file, &name).map_err(|e| io_error(&e))? {
            return Err(CapabilityError::TooLarge);
        }
        extended::set(&file, &name, value).map_err(|e| io_error(&e))
    }

    pub fn remove(&mut self, images: &Images, id: &str, name: &str) -> Result<(), CapabilityError> {
        let name = self.names.full(name)?;
        let file = image_file(images, &images.id(id)?)?;
        let _locked = self.lock.hold(&images.directory, &self.deadline)?;
        extended::remove(&file, &name).map_err(|e| io_error(&e))
    }

    /// Reads, adds and writes under the lock. A value that is not a number counts as 0, like a missing one.
    pub fn add(
        &mut self,
        images: &mut Images,
        id: &str,
        name: &str,
        delta: i64,
    ) -> Result<i64, CapabilityError> {
        let (name, id) = (self.names.full(name)?, images.id(id)?);
        let file = image_file(images, &id)?;
        let locked = self.lock.hold(&images.directory, &self.deadline)?;
        let now = extended::get(&file, &name, MAX_VALUE).map_err(|e| io_error(&e))?;
        let is_new = matches!(now, Found::Nothing);
        if is_new && self.names.is_full(&file, &name).map_err(|e| io_error(&e))? {
            return Err(CapabilityError::TooLarge);
        }
        let count = if let Found::Value(value) = now { decimal(&value) } else { 0 };
        let sum = count.saturating_add(delta);
        extended::set(&file, &name, sum.to_string().as_bytes()).map_err(|e| io_error(&e))?;
        drop(locked);
        if images.open_file(&id).is_none() {
            images.keep_open(OpenImage { image_id: id, file });
        }
        Ok(sum)
    }
}

impl NameSpace {
    /// An attribute's name in the file system.
    pub fn full(&self, name: &str) -> Result<Cow<'static, str>, CapabilityError> {
        match self {
            NameSpace::Glance => match name {
                "hits" => Ok("user.hits".into()),
                "checksum" => Ok("user.checksum".into()),
                _ => Err(CapabilityError::Denied),
            },
            NameSpace::Driver(driver) => {
                let safe = |c: u8| c.is_ascii_alphanumeric() || b"._-".contains(&c);
                if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(safe) {
                    return Err(CapabilityError::InvalidArgument);
                }
                Ok(format!("user.image-cache.{driver}.{name}").into())
            }
        }
    }

    /// Whether `name` would exceed the maximum number of attributes.
    fn is_full(&self, file: &File, name: &str) -> io::Result<bool> {
        // Glance has only two attributes.
        let NameSpace::Driver(driver) = self else { return Ok(false) };
        let prefix = format!("user.image-cache.{driver}.");
        let mut names = extended::names(file)?;
        names.retain(|found| found.starts_with(&prefix));
        Ok(names.len() >= MAX_ATTRIBUTES && !names.iter().any(|found| found == name))
    }
}

/// A counter's value; 0 if it is not a decimal number.
pub fn decimal(value: &[u8]) -> i64 {
    std::str::from_utf8(value).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// An attribute's value, up to the maximum length.
fn value(file: &File, name: &str) -> Result<Option<Vec<u8>>, CapabilityError> {
    match extended::get(file, name, MAX_VALUE).map_err(|e| io_error(&e))? {
        Found::Value(value) => Ok(Some(value)),
        Found::TooLong => Err(CapabilityError::TooLarge),
        Found::Nothing => Ok(None),
    }
}

/// The image's file: the open one, or else the published one.
fn image_file(images: &Images, id: &ImageId) -> Result<Arc<File>, CapabilityError> {
    images.open_file(id).map_or_else(|| published(images, id), |file| Ok(Arc::clone(file)))
}

fn published(images: &Images, id: &ImageId) -> Result<Arc<File>, CapabilityError> {
    let file = images.directory.open_cached(id).map_err(|e| io_error(&e))?;
    file.map(Arc::new).ok_or(CapabilityError::NotFound)
}

/// Whether the file system supports attributes, by the result of a probe. A full file system supports them.
fn keeps_attributes(probed: io::Result<()>) -> io::Result<bool> {
    match probed {
        Ok(()) => Ok(true),
        Err(error) => match io_error(&error) {
            CapabilityError::Unsupported => Ok(false),
            CapabilityError::Full => Ok(true),
            _ => Err(error),
        },
    }
}

/// Sets an attribute on a permanent file of the host; a temporary file would remain if the process were killed.
fn probe(directory: &Directory) -> io::Result<()> {
    const PROBE: &str = "user.image-cache.probe";
    let file = lock::open(directory)?;
    extended::set(&file, PROBE, b"1")?;
    // Another process may have tried at the same time and removed it already; an attribute that remains is harmless.
    let _ = extended::remove(&file, PROBE);
    Ok(())
}

/// A driver's name as part of a file's or an attribute's name, different for each: each unsafe character becomes `_`, and
/// a digest then distinguishes such names.
pub fn safe_name(driver: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let stem = driver.rsplit('/').next().unwrap_or(driver);
    let short: String = stem.chars().take(48).map(|c| if safe(c) { c } else { '_' }).collect();
    if short == driver && !short.is_empty() {
        return short;
    }
    let digest = hex::encode(&crate::driver::compile_cache::digest(driver.as_bytes())[..4]);
    printable(&format!("{short}-{digest}"), MAX_NAME)
}

#[cfg(test)]
mod tests;
