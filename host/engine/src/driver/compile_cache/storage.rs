//! The files of the compile cache: a directory that no other user can write to, read and written entry by entry.

use super::entry::{self, ENTRY_SUFFIX};
use image_cache_store::{Dir, FileInfo};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::SystemTime;

/// Maximum number of compiled components; the oldest are removed first.
pub(super) const MAX_ENTRIES: usize = 64;

/// Maximum size of an entry: the largest component that is allowed by default needs less than a tenth when compiled.
const MAX_BYTES: u64 = 1 << 30;

/// Who may use the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Only this user.
    Private,
    /// Others may read it. Only this user or root may write to it: a directory of root can be filled in advance.
    Shared,
}

/// Opens the directory, creates it if it is missing, and checks that no other user can write to it.
pub fn open_trusted(directory: &Path, access: Access) -> io::Result<Dir> {
    if !directory.exists() {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(CWD, directory, flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&opened)?;
    let (is_trusted, open_to_others, advice) = match access {
        Access::Private => {
            (is_own(stat.st_uid), 0o077, "it is open to others; set its mode to 0700")
        }
        Access::Shared => {
            (is_trusted(stat.st_uid), 0o022, "others can write to it; set its mode to 0755 or 0700")
        }
    };
    if !is_trusted {
        return Err(io::Error::other("it belongs to another user"));
    }
    if stat.st_mode & open_to_others != 0 {
        return Err(io::Error::other(advice));
    }
    Ok(Dir::from(opened))
}

fn is_own(user: u32) -> bool {
    user == rustix::process::geteuid().as_raw()
}

/// Root can replace this program, too.
fn is_trusted(user: u32) -> bool {
    user == 0 || is_own(user)
}

/// The bytes of an entry; `None` if there is none, or it is not ours.
pub fn read(directory: &Dir, name: &str) -> io::Result<Option<Vec<u8>>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(directory, name, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let stat = rustix::fs::fstat(&file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(io::Error::other("it is no regular file"));
    }
    if !is_trusted(stat.st_uid) || stat.st_mode & 0o022 != 0 {
        return Ok(None);
    }
    let len = stat.st_size.cast_unsigned();
    if len > MAX_BYTES {
        return Err(io::Error::other("it is too large"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or(0) + 1);
    file.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Writes an entry under a temporary name, flushes it, and only then renames it.
pub fn write(directory: &Dir, name: &str, code: &[u8]) -> io::Result<()> {
    let temporary = format!(".{name}.{}.{:?}", std::process::id(), std::thread::current().id());
    let written = write_new(directory, &temporary, code, name)
        .and_then(|()| Ok(rustix::fs::renameat(directory, &temporary, directory, name)?));
    if written.is_err() {
        let _ = rustix::fs::unlinkat(directory, &temporary, AtFlags::empty());
    }
    written?;
    evict_oldest(directory)
}

fn write_new(directory: &Dir, temporary: &str, code: &[u8], name: &str) -> io::Result<()> {
    // A killed process with our id may have left this file.
    let _ = rustix::fs::unlinkat(directory, temporary, AtFlags::empty());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR;
    let mut file = File::from(rustix::fs::openat(directory, temporary, flags, mode)?);
    file.write_all(&entry::head(code, name))?;
    file.write_all(code)?;
    // After a power failure, an incomplete file must not have an entry's name.
    file.sync_data()
}

/// Removes the oldest entries, and incomplete files of killed processes. Other files in the operator's directory stay.
pub fn evict_oldest(directory: &Dir) -> io::Result<()> {
    let mut entries: Vec<(SystemTime, OsString)> = Vec::new();
    for entry in directory.entries()?.flatten() {
        let Some(stat) = entry.stat()?.filter(|_| is_entry(entry.file_name())) else { continue };
        entries.push((FileInfo::new(&stat).modified, entry.file_name().to_owned()));
    }
    entries.sort_unstable_by(|a, b| b.cmp(a));
    for (_, name) in entries.iter().skip(MAX_ENTRIES) {
        rustix::fs::unlinkat(directory, name, AtFlags::empty())?;
    }
    Ok(())
}

/// Whether a file has the name of an entry, or the temporary name of one.
fn is_entry(name: &OsStr) -> bool {
    let name = name.to_str().map(|name| name.trim_start_matches('.'));
    let key = name.and_then(|name| name.split_once(ENTRY_SUFFIX)).map(|(key, _)| key);
    key.is_some_and(|key| key.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-'))
}
