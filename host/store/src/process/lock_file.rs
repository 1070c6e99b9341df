//! Files that this process locks. A lock belongs to the open file, which a forked child shares: if the child kept it open, the lock
//! would outlive the parent, and other processes would wait for a writer that is gone. So a child closes these files at once.

use super::forks::{ForkWatch, Generation};
use super::working::is_working;
use nix::libc;
use std::fs::File;
use std::io;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::os::fd::{AsRawFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// Descriptors per part of the register, and the number of parts: two million descriptors, more than a process may have by default.
const PART: usize = 1 << 15;
const PARTS: usize = 64;
const WORD: usize = 64;

/// Attempts to open a file while no other thread forks.
const OPEN_ATTEMPTS: u32 = 8;

type Part = [AtomicU64; PART / WORD];

/// A bit for each descriptor of a file that may be locked. The handler in a child must not allocate or lock, so these are plain
/// atomics, which are never freed.
static REGISTER: [AtomicPtr<Part>; PARTS] = [const { AtomicPtr::new(ptr::null_mut()) }; PARTS];

/// The descriptor of a file that this process locks is closed in a forked child, until this is dropped. Drop it before the file.
#[derive(Debug)]
pub struct LockedDescriptor {
    descriptor: RawFd,
    generation: Generation,
}

impl LockedDescriptor {
    /// Marks an open file, before it is locked. A child that another thread forks at this moment may keep it open.
    pub fn of(file: &File) -> LockedDescriptor {
        let descriptor = file.as_raw_fd();
        if let Some((word, bit)) = place(descriptor) {
            word.fetch_or(bit, Ordering::SeqCst);
        }
        LockedDescriptor { descriptor, generation: Generation::current() }
    }

    /// Whether this process is a child of the one that locked the file: its descriptor refers to another file here.
    pub fn is_inherited(&self) -> bool {
        !self.generation.is_current()
    }
}

impl Drop for LockedDescriptor {
    fn drop(&mut self) {
        if let Some((word, bit)) = place(self.descriptor) {
            word.fetch_and(!bit, Ordering::SeqCst);
        }
    }
}

/// An open file whose descriptor is closed in a forked child. It releases its locks when it is dropped.
#[derive(Debug)]
pub struct LockFile {
    /// Dropped before the file.
    locked: LockedDescriptor,
    file: File,
}

impl LockFile {
    /// Opens a file that will be locked. `open` is called again if another thread forked meanwhile, because the child may have the
    /// file open too.
    pub fn open(open: impl Fn() -> io::Result<File>) -> io::Result<LockFile> {
        let opened = LockFile::open_if(|| open().map(Some))?;
        opened.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Like [`open`](Self::open), for a file that may not exist.
    pub fn open_if(open: impl Fn() -> io::Result<Option<File>>) -> io::Result<Option<LockFile>> {
        let mut attempts = 0;
        loop {
            let watch = watch();
            let Some(file) = open()? else { return Ok(None) };
            let opened = LockFile::new(file);
            attempts += 1;
            if watch.is_none_or(|watch| watch.saw_none()) || attempts == OPEN_ATTEMPTS {
                return Ok(Some(opened));
            }
        }
    }

    /// Opens or creates a file that will be locked; `None` if another thread forked meanwhile: the file exists then, and the caller
    /// begins anew.
    pub fn create(create: impl FnOnce() -> io::Result<File>) -> io::Result<Option<LockFile>> {
        let watch = watch();
        let created = LockFile::new(create()?);
        Ok(watch.is_none_or(|watch| watch.saw_none()).then_some(created))
    }

    fn new(file: File) -> LockFile {
        LockFile { locked: LockedDescriptor::of(&file), file }
    }

    /// The mark and the file. The mark must be dropped before the file, and the lock be released before the mark is dropped.
    pub fn into_parts(self) -> (LockedDescriptor, File) {
        let this = ManuallyDrop::new(self);
        // SAFETY: each field is moved out once, and `this` is never dropped.
        unsafe { (ptr::read(&this.locked), ptr::read(&this.file)) }
    }
}

impl Drop for LockFile {
    /// Releases the lock explicitly, while the file is still marked: another thread may be forking, and the child may have the file
    /// open, but a copy of the memory without the mark.
    fn drop(&mut self) {
        if !self.locked.is_inherited() {
            // On a file system without locks it fails, and there was none.
            let _ = self.file.unlock();
        }
    }
}

impl Deref for LockFile {
    type Target = File;

    fn deref(&self) -> &File {
        &self.file
    }
}

/// Watches for forks of other threads; `None` if such a fork waits for this thread.
fn watch() -> Option<ForkWatch> {
    (!is_working()).then(ForkWatch::start)
}

/// The word and the bit of a descriptor; `None` for a number that no process has by default, whose file a child keeps open.
fn place(descriptor: RawFd) -> Option<(&'static AtomicU64, u64)> {
    let number = usize::try_from(descriptor).ok()?;
    let word = part(REGISTER.get(number / PART)?).get(number % PART / WORD)?;
    Some((word, 1 << (number % WORD)))
}

/// The part of the register, which is created if it is missing.
fn part(place: &'static AtomicPtr<Part>) -> &'static Part {
    // SAFETY: null, or a leaked value.
    if let Some(part) = unsafe { place.load(Ordering::Acquire).as_ref() } {
        return part;
    }
    let new: *mut Part = Box::into_raw(Box::new([const { AtomicU64::new(0) }; PART / WORD]));
    match place.compare_exchange(ptr::null_mut(), new, Ordering::AcqRel, Ordering::Acquire) {
        // SAFETY: it was just made, and is never freed.
        Ok(_) => unsafe { &*new },
        Err(other) => {
            // SAFETY: the new one is known to nobody; the other one is never freed.
            unsafe {
                drop(Box::from_raw(new));
                &*other
            }
        }
    }
}

/// In the child: closes the descriptors of the parent's locked files. Their numbers then refer to `nothing`, so that they are not used
/// for another file which a copy of the parent's values would read or close. It only makes system calls.
pub(super) fn close_inherited(nothing: RawFd) {
    for (number, place) in REGISTER.iter().enumerate() {
        // SAFETY: null, or a leaked value.
        let Some(part) = (unsafe { place.load(Ordering::Acquire).as_ref() }) else { continue };
        for (word, bits) in part.iter().enumerate() {
            let mut bits = bits.swap(0, Ordering::SeqCst);
            while bits != 0 {
                let bit = bits.trailing_zeros() as usize;
                bits &= bits - 1;
                close(number * PART + word * WORD + bit, nothing);
            }
        }
    }
}

fn close(descriptor: usize, nothing: RawFd) {
    let Ok(descriptor) = RawFd::try_from(descriptor) else { return };
    // SAFETY: the descriptor is one of ours: its mark is dropped before it is closed. Both calls may be made in a signal handler.
    unsafe {
        if nothing < 0 || libc::dup3(nothing, descriptor, libc::O_CLOEXEC) < 0 {
            libc::close(descriptor);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_is_marked_until_its_lock_file_is_dropped() {
        let file = LockFile::open(|| File::open("/dev/null")).expect("it opens");
        let (word, bit) = place(file.as_raw_fd()).expect("its number is small");
        assert!(word.load(Ordering::SeqCst) & bit != 0 && !file.locked.is_inherited());
        drop(file);
        assert!(place(i32::MAX).is_none() && place(-1).is_none());
        assert!(LockFile::open_if(|| Ok(None)).expect("there is none").is_none());
    }
}
