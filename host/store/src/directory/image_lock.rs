//! The locks of images, and the order of all locks.
//!
//! # What each lock protects
//!
//! 1. **An image's lock** (a byte of `.image-cache/images`) is held while the record of an image is changed: to publish, remove
//!    or repair it. No other thread or process changes that record meanwhile. Driver calls run under it.
//! 2. **The directory's lock** (`.image-cache/lock`) is held while the cached files are changed, or counted before one is added:
//!    the rename that publishes, the unlink that removes, their block digests, reservations, the queue. It is held for a few
//!    system calls, never during a driver call.
//! 3. **A file's lock** is held by the process that has the file open: exclusive by the writer of an incomplete file, shared by a
//!    reader of a cached image. No process waits for it: it only tries to take it.
//!
//! The order: first the image's lock, then the directory's, which is released before the next driver call. An image's lock is
//! never taken while the directory's lock is held. The locks of several images are tried in any order; if one of them is not
//! free, all are released and then taken in ascending order of their bytes, so that processes cannot deadlock. A slow driver
//! therefore delays only operations on the images of its calls, and at most for the time limit of a call.
//!
//! # Why a crash at any point leaves the cache consistent
//!
//! - *Publishing*: take the image's lock; check that no image is cached under the id; record; take the directory's lock; digests;
//!   rename; release both locks. A crash before the rename leaves a record without a file and perhaps digests without an image;
//!   opening the cache removes both. A crash after it leaves everything complete. While another process counts the cached bytes
//!   under the directory's lock, the file is either incomplete, with its reservation, or cached: the rename needs that lock.
//! - *Removing*: take the images' locks; take the directory's lock; unlink; digests; release the directory's lock; drop pending
//!   hits; remove records; release the images' locks. A crash after an unlink leaves a record without a file. No process can
//!   publish an image under the id before its old record is gone, since that needs the image's lock: no new record is removed by
//!   mistake.
//! - *Repairing*: take the image's lock; read file and record again; write or remove the record. Neither can change meanwhile.
//!   The next repair finds a file that another program copied there without a lock.
//! - The kernel ties each lock to an open file, and releases it when the process ends for any reason.

use super::directory_lock::wait;
use super::{Directory, names};
use crate::process::LockFile;
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
    file: LockFile,
}

impl Drop for ImageLocks {
    /// Releases the locks explicitly, like [`LockFile`] those of a whole file.
    fn drop(&mut self) {
        let _ = unlock_all(&self.file);
    }
}

impl Directory {
    /// Waits for an image's lock; an error of kind [`TimedOut`](io::ErrorKind::TimedOut) if another holder keeps it too long.
    pub fn lock_image(&self, id: &ImageId) -> io::Result<ImageLocks> {
        self.lock_images(std::slice::from_ref(id))
    }

    /// Like [`lock_image`](Self::lock_image), for several images. The caller must hold neither the directory's lock nor an
    /// image's.
    pub fn lock_images(&self, ids: &[ImageId]) -> io::Result<ImageLocks> {
        // The file is opened for each call: the locks belong to the open file, so they also work between threads.
        let file = self.open_lock_file(names::IMAGE_LOCKS)?;
        // Usually all are free. Without waiting, any order is safe, and this needs neither sorting nor a clock.
        if ids.iter().all(|id| try_lock_byte(&file, byte_of(id)).is_ok()) {
            return Ok(ImageLocks { file });
        }
        // Waiting while it holds some of them out of order could deadlock.
        unlock_all(&file)?;
        let mut bytes: Vec<libc::off_t> = ids.iter().map(byte_of).collect();
        bytes.sort_unstable();
        bytes.dedup();
        let message = "another process records or removes the same image; find the process that uses .image-cache/images (fuser, lsof)";
        for byte in bytes {
            wait(|| try_lock_byte(&file, byte), self.lock_timeout, message)?;
        }
        Ok(ImageLocks { file })
    }
}

/// The byte that is locked for an image. Two images with the same byte wait for each other; for a million images the probability
/// of such a pair is 1 in 10 million.
fn byte_of(id: &ImageId) -> libc::off_t {
    let hash = XxHash3_64::oneshot(id.as_str().as_bytes());
    (hash as libc::off_t) & (libc::off_t::MAX >> 1)
}

/// Locks one byte of an open file. Like `flock`, the lock belongs to the open file. The byte need not exist.
fn try_lock_byte(file: &File, byte: libc::off_t) -> Result<(), TryLockError> {
    match set_lock(file, libc::F_WRLCK, byte, 1) {
        Ok(_) => Ok(()),
        // The caller tries again.
        Err(Errno::EAGAIN | Errno::EACCES | Errno::EINTR) => Err(TryLockError::WouldBlock),
        Err(error) => Err(TryLockError::Error(error.into())),
    }
}

/// Releases all locks of this open file.
fn unlock_all(file: &File) -> io::Result<()> {
    // A length of 0 means up to the end of the file, even if it grows.
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
    use std::time::Duration;

    fn ids(names: &[&str]) -> Vec<ImageId> {
        names.iter().map(|name| name.parse().expect("an id")).collect()
    }

    #[test]
    fn an_image_s_lock_excludes_neither_another_image_nor_the_directory() {
        let place = tempfile::tempdir().expect("a directory");
        let directory = Directory::open(place.path(), Path::new("cache.db")).expect("it opens");
        let directory = directory.with_lock_timeout(Duration::from_secs(2));
        let _held = directory.lock_images(&ids(&["a", "b"])).expect("they are free");
        let _other = directory.lock_image(&ids(&["c"])[0]).expect("it is free");
        let _directory = directory.lock().expect("it is free");
        let error = directory.lock_image(&ids(&["a"])[0]).expect_err("it is held");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(error.to_string().contains("the same image"), "{error}");
    }

    #[test]
    fn threads_that_lock_the_same_images_in_any_order_do_so_one_at_a_time() {
        let place = tempfile::tempdir().expect("a directory");
        let directory = Directory::open(place.path(), Path::new("cache.db")).expect("it opens");
        let inside = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for names in [["a", "b"], ["b", "a"], ["b", "c"], ["c", "b"]] {
                let (directory, inside) = (&directory, &inside);
                scope.spawn(move || {
                    for _ in 0..50 {
                        let _held = directory.lock_images(&ids(&names)).expect("they are freed");
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two hold b");
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
    }
}
