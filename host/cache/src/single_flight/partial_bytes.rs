//! The bytes of a fetch that have arrived so far.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;

/// The bytes in the file, and those that the cache failed to write to it. They stay readable when the file is published,
/// quarantined or removed.
#[derive(Debug, Clone)]
pub(crate) struct PartialBytes {
    file: Arc<File>,
    written: u64,
    pending: Arc<[u8]>,
}

impl PartialBytes {
    /// The first `written` bytes of a file, and pending bytes, which are not in the file.
    pub fn new(file: Arc<File>, written: u64, pending: Arc<[u8]>) -> Self {
        PartialBytes { file, written, pending }
    }

    /// The first `written` bytes of a file.
    pub fn of_file(file: Arc<File>, written: u64) -> Self {
        PartialBytes::new(file, written, Arc::default())
    }

    /// Whether they are of this file.
    pub fn is_of(&self, file: &File) -> io::Result<bool> {
        let (ours, other) = (self.file.metadata()?, file.metadata()?);
        Ok((ours.dev(), ours.ino()) == (other.dev(), other.ino()))
    }

    pub fn len(&self) -> u64 {
        self.written + self.pending.len() as u64
    }

    /// The last byte, if it could not be written.
    pub fn last_pending(&self) -> Option<u8> {
        self.pending.last().copied()
    }

    /// Reads from `position` on; returns 0 only at the end.
    pub fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        let Some(past) = position.checked_sub(self.written) else {
            let left = usize::try_from(self.written - position).unwrap_or(usize::MAX);
            let wanted = left.min(buf.len());
            let count = self.file.read_at(&mut buf[..wanted], position)?;
            if count == 0 && wanted > 0 {
                let message = "another process truncated the file while it was read";
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
            }
            return Ok(count);
        };
        let rest = usize::try_from(past).ok().and_then(|past| self.pending.get(past..));
        let rest = rest.unwrap_or_default();
        let count = rest.len().min(buf.len());
        buf[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}
