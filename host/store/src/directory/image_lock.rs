//! The locks of images, and the order in which locks are taken.
//!
//! # Which lock guards what
//!
//! 1. **An image's lock** (a byte of `.image-cache/images`) is held by whoever changes the record of an image: who publishes,
//!    removes or repairs it. Nobody else changes that record meanwhile, in this process or another. A driver's calls
//!    run under it.
//! 2. **The directory's lock** (`.image-cache/lock`) is held by whoever changes what is cached or counts it to let something in:
//!    the rename that publishes, the unlink that removes, the block digests beside them, reservations, the queue. No driver is
//!    called under it: it is held for some system calls.
//!
//! They are taken in this order: first the image's (of several images all at once: tried in any order, and where one of them is not free,
//! all are given back and waited for ascending by their bytes, so that two who want the same ones cannot wait for each other), then the
//! directory's, which is given back before the driver is called again.
//! Nobody takes an image's lock with the directory's held. So a driver that takes all the time of its calls holds up those who want
//! the very images that it is asked about, for as long as a call may take, and nobody else.
//!
//! # Why a crash at any point leaves nothing wrong
//!
//! - *Publishing*: image's lock; nothing is cached under the id; record; directory's lock; digests; rename; both locks go. Killed before the
//!   rename there is a record without a file, which opening forgets, and perhaps digests without an image, which are swept. Killed
//!   after it, all is there. While another one counts the cached bytes under the directory's lock, the file is either
//!   incomplete, with its reservation, or cached: the rename needs that lock.
//! - *Removing*: images' locks; directory's lock; unlinks; digests; the directory's lock goes; gathered hits are given up; records are
//!   forgotten; the images' locks go. Killed after an unlink there is a record without a file. Nobody can publish an image under the
//!   id before its old record has gone, since that needs the image's lock: no new record is forgotten in the old one's place.
//! - *Repairing*: image's lock; file and record are looked at again; the record is written or forgotten. Neither can change meanwhile.
//!   A file that somebody puts there by hand, who takes no lock, is found at the next repair.
//! - The locks are the kernel's, of an open file: they go with their process, however it ends.

use super::Directory;
use super::lock::{PATIENCE, wait};
use image_cache_model::ImageId;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use std::fs::{File, TryLockError};
use std::io;
use twox_hash::XxHash3_64;

/// Holds the locks of some images until it is dropped.
#[derive(Debug)]
pub struct ImageLocks {
    _file: File,
}

impl Directory {
    /// Waits for an image's lock; an error of kind [`TimedOut`](io::ErrorKind::TimedOut) where somebody sits on it.
    pub fn lock_image(&self, id: &ImageId) -> io::Result<ImageLocks> {
        self.lock_images(std::slice::from_ref(id))
    }

    /// The same of several images. Not with the directory locked, nor any image.
    pub fn lock_images(&self, ids: &[ImageId]) -> io::Result<ImageLocks> {
        // Opened anew each time: the locks belong to the open file, so threads exclude each other, too.
        let file = self.open_own("images")?;
        // Most are free. Who waits for none of them may take them in any order, and needs neither that nor a clock.
        if ids.iter().all(|id| try_lock_byte(&file, byte_of(id)).is_ok()) {
            return Ok(ImageLocks { _file: file });
        }
        // Nobody may wait while he holds some out of order.
        unlock_all(&file)?;
        let mut bytes: Vec<libc::off_t> = ids.iter().map(byte_of).collect();
        bytes.sort_unstable();
        bytes.dedup();
        let words = "another process records or removes the same image; see who uses .image-cache/images (fuser, lsof)";
        for byte in bytes {
            wait(|| try_lock_byte(&file, byte), PATIENCE, words)?;
        }
        Ok(ImageLocks { _file: file })
    }
}

/// The byte that stands for an image. Two that share one wait for each other; among a million images there are two with a chance of 1 in
/// 10 million.
fn byte_of(id: &ImageId) -> libc::off_t {
    let hash = XxHash3_64::oneshot(id.as_str().as_bytes());
    (hash as libc::off_t) & (libc::off_t::MAX >> 1)
}

/// Locks one byte of an open file, for this open file alone: what `flock` does for a whole one. The file need not have it.
fn try_lock_byte(file: &File, byte: libc::off_t) -> Result<(), TryLockError> {
    match set_lock(file, libc::F_WRLCK, byte, 1) {
        Ok(_) => Ok(()),
        // Whoever waits tries again.
        Err(Errno::EAGAIN | Errno::EACCES | Errno::EINTR) => Err(TryLockError::WouldBlock),
        Err(error) => Err(TryLockError::Error(error.into())),
    }
}

/// Gives back all bytes that this open file has locked.
fn unlock_all(file: &File) -> io::Result<()> {
    // No length reaches to the end, however long the file becomes.
    set_lock(file, libc::F_UNLCK, 0, 0)?;
    Ok(())
}

fn set_lock(
    file: &File,
    kind: libc::c_int,
    start: libc::off_t,
    len: libc::off_t,
) -> nix::Result<()> {
    let wanted = libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: start,
        l_len: len,
        l_pid: 0,
    };
    fcntl(file, FcntlArg::F_OFD_SETLK(&wanted)).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn ids(names: &[&str]) -> Vec<ImageId> {
        names.iter().map(|name| name.parse().expect("an id")).collect()
    }

    #[test]
    fn an_image_s_lock_keeps_nobody_from_another_image_nor_from_the_directory() {
        let place = tempfile::tempdir().expect("a directory");
        let directory = Directory::open(place.path(), Path::new("cache.db")).expect("it opens");
        let _held = directory.lock_images(&ids(&["a", "b"])).expect("they are free");
        let _other = directory.lock_image(&ids(&["c"])[0]).expect("it is free");
        let _directory = directory.lock().expect("it is free");
        let error = directory.lock_image(&ids(&["a"])[0]).expect_err("it is held");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(error.to_string().contains("the same image"), "{error}");
    }

    #[test]
    fn threads_that_want_the_same_images_in_any_order_come_through_one_at_a_time() {
        let place = tempfile::tempdir().expect("a directory");
        let directory = Directory::open(place.path(), Path::new("cache.db")).expect("it opens");
        let inside = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for names in [["a", "b"], ["b", "a"], ["b", "c"], ["c", "b"]] {
                let (directory, inside) = (&directory, &inside);
                scope.spawn(move || {
                    for _ in 0..50 {
                        let _held = directory.lock_images(&ids(&names)).expect("they are freed");
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two have b");
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
    }
}
