//! A directory in memory for the files of tests that do not test the disk.

use rustix::fs::{XattrFlags, setxattr, statvfs};
use std::io;
use std::path::Path;
use tempfile::TempDir;

/// The file system in memory that most Linux systems have.
const SHARED_MEMORY: &str = "/dev/shm";

/// The tests need less than a tenth of it.
const LEAST_FREE: u64 = 4 << 30;

/// A new directory in memory. A drop removes it.
pub struct MemoryDir(TempDir);

impl MemoryDir {
    /// Fails if there is too little memory, or if the file system does not keep what a cache needs.
    pub fn new() -> io::Result<MemoryDir> {
        let place =
            tempfile::Builder::new().prefix("image-cache-tests-").tempdir_in(SHARED_MEMORY)?;
        let system = statvfs(place.path())?;
        if system.f_bavail.saturating_mul(system.f_frsize) < LEAST_FREE {
            return Err(io::Error::other(format!("{SHARED_MEMORY} has less than 4 GiB free")));
        }
        setxattr(place.path(), "user.test", b"1", XattrFlags::empty())?;
        Ok(MemoryDir(place))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}
