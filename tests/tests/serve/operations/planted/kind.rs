//! The objects that an attacker can create at a file's name.

use super::outside::Outside;
use image_cache_tests::{Tested, is_root, skip};
use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    LinkToFile,
    LinkToNothing,
    LinkToFolder,
    HardLink,
    Pipe,
    Socket,
    Device,
    Folder,
    Huge,
}

impl Kind {
    /// Creates it in place of the existing file; false, with a message, if this machine does not support that kind.
    pub fn plant(self, path: &Path, outside: &Outside) -> Tested<bool> {
        match fs::symlink_metadata(path) {
            Ok(found) if found.is_dir() => fs::remove_dir_all(path)?,
            Ok(_) => fs::remove_file(path)?,
            Err(_) => {}
        }
        match self {
            Kind::LinkToFile => symlink(outside.file(), path)?,
            Kind::LinkToNothing => symlink(outside.nothing(), path)?,
            Kind::LinkToFolder => symlink(outside.folder(), path)?,
            Kind::HardLink => fs::hard_link(outside.file(), path)?,
            Kind::Pipe => mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0)?,
            Kind::Socket => mknodat(CWD, path, FileType::Socket, Mode::RWXU, 0)?,
            // /dev/zero, which is endless.
            Kind::Device => {
                if !is_root("making a device") {
                    return Ok(false);
                }
                let zero = makedev(1, 5);
                if mknodat(CWD, path, FileType::CharacterDevice, Mode::RWXU, zero).is_err() {
                    skip("no device can be made here");
                    return Ok(false);
                }
            }
            Kind::Folder => {
                fs::create_dir(path)?;
                fs::write(path.join("inner"), "inside")?;
            }
            Kind::Huge => {
                if File::create(path)?.set_len(1 << 40).is_err() {
                    skip("this file system does not support files of 1 TiB");
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}
