//! Owner and mode of the files that the cache creates: those of the base directory, without execute permission for files.

use super::dir::Dir;
use rustix::fs::{Gid, Mode, Stat, Uid};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;

/// The owner and mode of the base directory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owner {
    user: Uid,
    group: Gid,
    mode: u32,
}

impl Owner {
    pub fn of(base: &Stat) -> Self {
        Owner {
            user: Uid::from_raw(base.st_uid),
            group: Gid::from_raw(base.st_gid),
            mode: base.st_mode & 0o777,
        }
    }

    /// The mode of a directory that the cache creates.
    pub fn directory_mode(self) -> u32 {
        self.mode | 0o700
    }

    /// The mode of a file that the cache creates, without execute permission.
    pub fn file_mode(self) -> u32 {
        (self.mode & 0o666) | 0o600
    }

    pub fn give_to_file(self, file: &File) -> io::Result<()> {
        self.give(file, self.file_mode())
    }

    pub fn give_to_directory(self, directory: &Dir) -> io::Result<()> {
        self.give(directory.readable()?, self.directory_mode())
    }

    fn give(self, made: impl AsFd, mode: u32) -> io::Result<()> {
        let made = made.as_fd();
        let now = rustix::fs::fstat(made)?;
        let (user, group) = (Uid::from_raw(now.st_uid), Gid::from_raw(now.st_gid));
        // Only root can change a file's owner.
        if rustix::process::geteuid().is_root() && (user, group) != (self.user, self.group) {
            rustix::fs::fchown(made, Some(self.user), Some(self.group))?;
        }
        if now.st_mode & 0o777 != mode {
            rustix::fs::fchmod(made, Mode::from_raw_mode(mode))?;
        }
        Ok(())
    }
}
