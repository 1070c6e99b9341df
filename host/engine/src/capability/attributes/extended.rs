//! The extended attributes of an open file.

use rustix::buffer::spare_capacity;
use rustix::fs::{XattrFlags, fgetxattr, flistxattr, fremovexattr, fsetxattr};
use rustix::io::Errno;
use std::fs::File;
use std::io;

/// The longest list of names that Linux returns, in bytes.
const MAX_LIST: usize = 64 << 10;

/// An attribute's value.
pub(super) enum Found {
    Value(Vec<u8>),
    /// It is longer than was asked for.
    TooLong,
    Nothing,
}

/// A value of at most `most` bytes.
pub(super) fn get(file: &File, name: &str, most: usize) -> io::Result<Found> {
    let mut value = Vec::with_capacity(most);
    match fgetxattr(file, name, spare_capacity(&mut value)) {
        Ok(_) => Ok(Found::Value(value)),
        Err(Errno::RANGE) => Ok(Found::TooLong),
        Err(Errno::NODATA) => Ok(Found::Nothing),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn set(file: &File, name: &str, value: &[u8]) -> io::Result<()> {
    Ok(fsetxattr(file, name, value, XattrFlags::empty())?)
}

/// Removes an attribute, if it is there.
pub(super) fn remove(file: &File, name: &str) -> io::Result<()> {
    match fremovexattr(file, name) {
        Ok(()) | Err(Errno::NODATA) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The names of all attributes; those that are not UTF-8 are none of a driver's.
pub(super) fn names(file: &File) -> io::Result<Vec<String>> {
    let mut list = Vec::with_capacity(MAX_LIST);
    flistxattr(file, spare_capacity(&mut list))?;
    let names = list.split(|byte| *byte == 0).filter_map(|name| str::from_utf8(name).ok());
    Ok(names.filter(|name| !name.is_empty()).map(str::to_owned).collect())
}
