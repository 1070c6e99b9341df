//! The error that a capability returns to a guest.

use crate::bindings::image_cache::driver::types;
use image_cache_model::printable;
use rustix::io::Errno;
use std::io;

/// The error that a capability returns to a guest.
pub type CapabilityError = types::Error;

/// An error of the operating system as an error of the interface.
pub fn io_error(error: &io::Error) -> CapabilityError {
    match Errno::from_io_error(error) {
        Some(Errno::NOTSUP | Errno::NOSYS) => CapabilityError::Unsupported,
        Some(Errno::NOSPC | Errno::DQUOT) => CapabilityError::Full,
        Some(Errno::TOOBIG | Errno::RANGE | Errno::NAMETOOLONG) => CapabilityError::TooLarge,
        Some(Errno::ACCESS | Errno::PERM | Errno::ROFS) => CapabilityError::Denied,
        Some(Errno::NOENT) => CapabilityError::NotFound,
        Some(Errno::AGAIN | Errno::BUSY) => CapabilityError::Busy,
        _ => CapabilityError::Other(printable(&error.to_string(), 500)),
    }
}
