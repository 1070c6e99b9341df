//! How SQLite opens a database's files: by the handle of their directory, without following links, only regular files.
//!
//! A database may be in a directory of another user, who can replace its files and directories with links while root opens it.
//! SQLite opens files by path, and opens the files beside a database (`-wal`, `-shm`, `-journal`) itself and later. So its paths
//! begin with a handle of the directory ([`PREFIX`]). The host first checks the file through a descriptor that only refers to it,
//! and then opens that file, so that it cannot be replaced in between. Other databases of the process are opened as usual.
//!
//! SQLite keeps a table of the files that the process has open, by device and inode, with the locks that the process has on them. A
//! forked child inherits this table, but none of the locks: SQLite would believe that it holds locks of its parent. So a child
//! gives its files other device numbers than its parent ([`with_device_offset`]), and finds none of them in the table.

use super::memory;
use image_cache_store::process::Generation;
use rusqlite::ffi;
use rustix::fd::{AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::{self, null_mut};
use std::sync::OnceLock;

/// The prefix of our paths, before a directory's descriptor. No other path has this form.
pub(super) const PREFIX: &str = "/proc/self/./fd/";

/// The name of SQLite's VFS for such paths: a copy of the Unix one, which does not change the paths.
const NAME: &CStr = c"image-cache-beneath";

/// How often opening is tried while another process creates and removes the file.
const OPEN_ATTEMPTS: u32 = 16;

type SystemCall = unsafe extern "C" fn();
type OpenCall = unsafe extern "C" fn(*const c_char, c_int, c_int) -> c_int;
type StatCall = unsafe extern "C" fn(*const c_char, *mut c_void) -> c_int;
type FstatCall = unsafe extern "C" fn(c_int, *mut c_void) -> c_int;

/// The system calls that SQLite used before.
struct SystemCalls {
    open: OpenCall,
    stat: StatCall,
    lstat: StatCall,
    fstat: FstatCall,
}

/// Set before SQLite makes calls through this VFS.
static SYSTEM_CALLS: OnceLock<SystemCalls> = OnceLock::new();

/// The VFS, created at first use; `None` if SQLite has no Unix VFS to copy. Call it before each database is opened.
pub(super) fn registered() -> Option<&'static CStr> {
    static IS_REGISTERED: OnceLock<bool> = OnceLock::new();
    let register = || {
        // Before SQLite is used.
        memory::count_by_thread();
        register().is_some()
    };
    IS_REGISTERED.get_or_init(register).then_some(NAME)
}

fn register() -> Option<()> {
    // SAFETY: `sqlite3_vfs_find` returns a VFS that lives as long as the process, or null. os_unix.c calls the functions with
    // these names with exactly these signatures. A copy of a VFS's fields, which point only to functions and constants, is a VFS:
    // SQLite's own variants of "unix" are made like this. It is never freed.
    unsafe {
        let unix = ffi::sqlite3_vfs_find(c"unix".as_ptr());
        let (get, set) = (unix.as_ref()?.xGetSystemCall?, unix.as_ref()?.xSetSystemCall?);
        let call = |name: &CStr| get(unix, name.as_ptr());
        let calls = SystemCalls {
            open: std::mem::transmute::<SystemCall, OpenCall>(call(c"open")?),
            stat: std::mem::transmute::<SystemCall, StatCall>(call(c"stat")?),
            lstat: std::mem::transmute::<SystemCall, StatCall>(call(c"lstat")?),
            fstat: std::mem::transmute::<SystemCall, FstatCall>(call(c"fstat")?),
        };
        SYSTEM_CALLS.set(calls).ok()?;
        let replace = |name: &CStr, with| set(unix, name.as_ptr(), Some(with)) == ffi::SQLITE_OK;
        let open: SystemCall = std::mem::transmute(open as OpenCall);
        let stat: SystemCall = std::mem::transmute(stat as StatCall);
        let fstat: SystemCall = std::mem::transmute(fstat as FstatCall);
        if !replace(c"open", open) || !replace(c"stat", stat) || !replace(c"fstat", fstat) {
            return None;
        }
        let mut ours = *unix;
        ours.pNext = null_mut();
        ours.zName = NAME.as_ptr();
        ours.xFullPathname = Some(full_pathname);
        let registered = ffi::sqlite3_vfs_register(Box::leak(Box::new(ours)), 0);
        (registered == ffi::SQLITE_OK).then_some(())
    }
}

/// Copies the path: SQLite's own function would resolve the handle to a path again.
///
/// # Safety
/// `path` is a C string, and `full` has `room` bytes.
unsafe extern "C" fn full_pathname(
    _vfs: *mut ffi::sqlite3_vfs,
    path: *const c_char,
    room: c_int,
    full: *mut c_char,
) -> c_int {
    // SAFETY: as stated above; the lengths are compared first.
    unsafe {
        let path = CStr::from_ptr(path).to_bytes_with_nul();
        if !usize::try_from(room).is_ok_and(|room| path.len() <= room) {
            return ffi::SQLITE_CANTOPEN;
        }
        ptr::copy_nonoverlapping(path.as_ptr().cast(), full, path.len());
    }
    ffi::SQLITE_OK
}

/// `open` for SQLite.
///
/// # Safety
/// `path` is a C string.
unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: c_int) -> c_int {
    let Some(calls) = SYSTEM_CALLS.get() else { return -1 };
    // SAFETY: as stated above; each string argument lives as long as the call.
    unsafe {
        let plain = |path: &CStr, flags: c_int| (calls.open)(path.as_ptr(), flags, mode);
        let path = CStr::from_ptr(path);
        match parse(path) {
            Some((directory, name)) => open_beneath(directory, name, path, flags, plain),
            None => plain(path, flags),
        }
    }
}

/// `stat` for SQLite, of the file itself and not of a link's target.
///
/// # Safety
/// `path` is a C string, `answer` has room for the result.
unsafe extern "C" fn stat(path: *const c_char, answer: *mut c_void) -> c_int {
    let Some(calls) = SYSTEM_CALLS.get() else { return -1 };
    // SAFETY: as stated above.
    unsafe {
        let is_host_statement = parse(CStr::from_ptr(path)).is_some();
        let call = if is_host_statement { calls.lstat } else { calls.stat };
        with_device_offset(call(path, answer), answer)
    }
}

/// `fstat` for SQLite.
///
/// # Safety
/// `answer` has room for the result.
unsafe extern "C" fn fstat(file: c_int, answer: *mut c_void) -> c_int {
    let Some(calls) = SYSTEM_CALLS.get() else { return -1 };
    // SAFETY: as stated above.
    unsafe { with_device_offset((calls.fstat)(file, answer), answer) }
}

/// Adds an offset to the device number of a result, another one in each forked child, and returns the status.
///
/// # Safety
/// If the status is 0, `answer` is a `struct stat`, which begins with the device number in 64 bits on each 64-bit Linux.
unsafe fn with_device_offset(status: c_int, answer: *mut c_void) -> c_int {
    let offset = Generation::current().number() << 32;
    if status == 0 && offset != 0 {
        // SAFETY: as stated above.
        unsafe {
            let device = answer.cast::<u64>();
            *device = (*device).wrapping_add(offset);
        }
    }
    status
}

/// The directory's descriptor and the name in it, if the path has our prefix.
fn parse(path: &CStr) -> Option<(BorrowedFd<'_>, &str)> {
    let (directory, name) = path.to_str().ok()?.strip_prefix(PREFIX)?.split_once('/')?;
    let directory = directory.parse::<u32>().ok().and_then(|number| i32::try_from(number).ok())?;
    // SAFETY: the creator of the path keeps its handle open as long as the connection for which SQLite opens files.
    Some((unsafe { BorrowedFd::borrow_raw(directory) }, name))
}

/// Opens a regular file of this directory, or creates it if requested; -1 and `errno` if there is no such file.
fn open_beneath(
    directory: BorrowedFd<'_>,
    name: &str,
    path: &CStr,
    flags: c_int,
    plain: impl Fn(&CStr, c_int) -> c_int,
) -> c_int {
    let asked = OFlags::from_bits_retain(flags.cast_unsigned());
    let making = OFlags::CREATE | OFlags::EXCL;
    let bits = |flags: OFlags| flags.bits().cast_signed();
    // No file has an empty name: this sets `errno`, which SQLite reads.
    let refuse = || plain(c"", 0);
    for _ in 0..OPEN_ATTEMPTS {
        // Such a descriptor does not open the file: it has no effect on a device, and closing it releases no lock.
        let found = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(directory, name, found, Mode::empty()) {
            Ok(found) if asked.contains(making) || !may_be_opened(directory, &found) => {
                return refuse();
            }
            Ok(found) => {
                let flags = asked.difference(making | OFlags::NOFOLLOW) | OFlags::NONBLOCK;
                let found = CString::new(format!("/proc/self/fd/{}", found.as_raw_fd()));
                return found.map_or(-1, |found| plain(&found, bits(flags)));
            }
            Err(Errno::NOENT) if asked.contains(OFlags::CREATE) => {
                let made = plain(path, bits(asked | making | OFlags::NOFOLLOW));
                let is_there =
                    || rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).is_ok();
                // Another process may have created it between the two calls.
                if made >= 0 || !is_there() {
                    return made;
                }
            }
            Err(_) => return refuse(),
        }
    }
    refuse()
}

/// Whether this file of the directory may be opened.
fn may_be_opened(directory: BorrowedFd<'_>, found: &OwnedFd) -> bool {
    rustix::fs::fstat(found).is_ok_and(|found| fault(directory, &found).is_none())
}

/// Why a file of this directory must not be opened. Root does not use a file that has a second name, which may be elsewhere, and
/// another owner: a process that may write to the directory could have created the name here.
pub(super) fn fault(directory: BorrowedFd<'_>, file: &Stat) -> Option<&'static str> {
    if FileType::from_raw_mode(file.st_mode) != FileType::RegularFile {
        return Some("it is no regular file; move it away");
    }
    let is_of_its_owner =
        || rustix::fs::fstat(directory).is_ok_and(|directory| directory.st_uid == file.st_uid);
    let is_strange =
        file.st_nlink > 1 && rustix::process::geteuid().is_root() && !is_of_its_owner();
    is_strange.then_some("it has a second name, and its owner is not its directory's; move it away")
}
