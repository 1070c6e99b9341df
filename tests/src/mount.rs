//! File systems that are mounted for one test.

use rustix::mount::{MountFlags, UnmountFlags};
use std::ffi::CString;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A separate file system, which is unmounted when this is dropped.
pub struct Mount {
    point: TempDir,
}

impl Mount {
    /// A tmpfs of this many bytes; none, with a message, if mounting is not permitted.
    pub fn tmpfs(bytes: u64) -> Option<Mount> {
        Mount::new("tmpfs", "tmpfs", &format!("size={bytes}"))
    }

    /// A tmpfs of this many bytes and inodes.
    pub fn tmpfs_of(bytes: u64, inodes: u64) -> Option<Mount> {
        Mount::new("tmpfs", "tmpfs", &format!("size={bytes},nr_inodes={inodes}"))
    }

    /// A ramfs: a file system without user attributes, and none of the supported ones.
    pub fn ramfs() -> Option<Mount> {
        Mount::new("ramfs", "ramfs", "")
    }

    /// An ext4 in a file, through a loop device: the content of the file is the content of the disk.
    pub fn ext4(disk: &Path) -> Option<Mount> {
        let point = TempDir::new().ok()?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "ext4", "-o", "loop"]).arg(disk).arg(point.path()).stderr(Stdio::null());
        match mount.status() {
            Ok(status) if status.success() => Some(Mount { point }),
            other => {
                crate::skip(&format!("an ext4 cannot be mounted from a file: {other:?}"));
                None
            }
        }
    }

    /// Its mount point.
    pub fn path(&self) -> &Path {
        self.point.path()
    }

    /// Makes the file system read-only. A process that another test has just forked has our open files until it runs its program:
    /// this waits for that.
    pub fn make_read_only(&self) -> io::Result<()> {
        let mut made = Ok(());
        crate::until(|| {
            made = rustix::mount::mount_remount(self.path(), MountFlags::RDONLY, c"");
            made != Err(rustix::io::Errno::BUSY)
        });
        Ok(made?)
    }

    fn new(source: &str, kind: &str, options: &str) -> Option<Mount> {
        let point = TempDir::new().ok()?;
        let options = CString::new(options).ok()?;
        let flags = MountFlags::empty();
        match rustix::mount::mount(source, point.path(), kind, flags, options.as_c_str()) {
            Ok(()) => Some(Mount { point }),
            Err(error) => {
                crate::skip(&format!("a {kind} cannot be mounted: {error}"));
                None
            }
        }
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Files may still be open; the file system is removed when the last of them is closed.
        if let Err(error) = rustix::mount::unmount(self.path(), UnmountFlags::DETACH) {
            eprintln!("{} cannot be unmounted: {error}", self.path().display());
        }
    }
}
