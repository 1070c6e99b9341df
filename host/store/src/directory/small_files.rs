//! Small files that another package stores in a folder of `.image-cache/`: each is complete, or does not exist.

use super::dir::Dir;
use super::opening::make;
use super::owner::Owner;
use super::safe_open::{
    NEW, RateLimit, create_new, is_other, open_to_read, random_suffix, read_whole,
};
use super::{Directory, names, unlink};
use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A temporary file that is older than this was left by a killed process.
const ABANDONED: Duration = Duration::from_secs(3600);

/// A folder of small files below the cache directory, for a program's data about its images.
///
/// Every file is opened by the folder's handle: no link is followed, no call blocks, and an entry that is not a regular file or
/// is larger than [`MAX_BYTES`](Self::MAX_BYTES) counts as missing. [`save`](Self::save) replaces an existing file atomically. It
/// does not flush to disk, so that after a power loss the file may be missing or empty; [`save_to_disk`](Self::save_to_disk) does.
///
/// ```
/// # use image_cache_store::Directory;
/// # let scratch = tempfile::tempdir()?;
/// # let opened = Directory::open(&scratch.path().join("cache"), "cache.db".as_ref());
/// # let directory = opened.map_err(|fault| fault.source)?;
/// let notes = directory.small_files("notes")?;
/// notes.save("cirros", b"asked for by alice")?;
/// assert_eq!(notes.load("cirros")?, Some(b"asked for by alice".to_vec()));
/// assert!(notes.remove("cirros")? && !notes.remove("cirros")?);
/// assert!(notes.save("../cirros", b"").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SmallFiles {
    dir: Dir,
    path: PathBuf,
    owner: Owner,
    warnings: RateLimit,
}

impl Directory {
    /// A folder of `.image-cache/`, created if it is missing.
    pub fn small_files(&self, name: &str) -> io::Result<SmallFiles> {
        SmallFiles::open(&self.own, &self.path_of(names::OWN), name, self.owner)
    }

    /// The same folder if it exists.
    pub(super) fn existing_small_files(&self, name: &str) -> io::Result<Option<SmallFiles>> {
        let path = self.path_of(names::OWN).join(single_component(name)?);
        match self.own.open_dir(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            dir => SmallFiles::of(dir, &self.own, path, self.owner).map(Some),
        }
    }
}

impl SmallFiles {
    /// The largest size of a file, in bytes.
    pub const MAX_BYTES: u64 = 1 << 20;

    /// A subfolder, created if it is missing. Its name may begin with a dot; the name of a file may not.
    ///
    /// # Errors
    /// If it cannot be created, or another kind of entry has its name.
    pub fn below(&self, name: &str) -> io::Result<SmallFiles> {
        SmallFiles::open(&self.dir, &self.path, name, self.owner)
    }

    fn open(parent: &Dir, path: &Path, name: &str, owner: Owner) -> io::Result<SmallFiles> {
        let dir = make(parent, single_component(name)?, owner);
        SmallFiles::of(dir, parent, path.join(name), owner)
    }

    fn of(
        dir: io::Result<Dir>,
        parent: &Dir,
        path: PathBuf,
        owner: Owner,
    ) -> io::Result<SmallFiles> {
        let dir = dir.map_err(|error| {
            let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
            let why = match is_other(parent, name) {
                true => "; remove the entry of this name",
                false => "",
            };
            io::Error::new(error.kind(), format!("{}: {error}{why}", path.display()))
        })?;
        let files = SmallFiles { dir, path, owner, warnings: RateLimit::default() };
        if let Err(error) = files.remove_abandoned() {
            tracing::debug!(%error, "files that a killed process left in {} remain", files.path.display());
        }
        Ok(files)
    }

    /// The content of a file; `None` if there is no such file.
    ///
    /// # Errors
    /// If the name is not valid for a file, or the file cannot be read.
    pub fn load(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let name = file_name(name)?;
        let Some(file) = open_to_read(&self.dir, name)? else {
            if is_other(&self.dir, name) {
                self.warn(name, "it is not a regular file");
            }
            return Ok(None);
        };
        let bytes = read_whole(file, Self::MAX_BYTES)?;
        if bytes.is_none() {
            self.warn(name, "it is too large");
        }
        Ok(bytes)
    }

    /// The folder itself.
    pub(super) fn dir(&self) -> &Dir {
        &self.dir
    }

    /// Whether there is an entry of this name, of any kind.
    pub(super) fn has(&self, name: &str) -> io::Result<bool> {
        Ok(self.dir.stat(file_name(name)?)?.is_some())
    }

    /// Writes a file, and replaces an existing one.
    ///
    /// # Errors
    /// If the name is not valid for a file, the content is too large, or the file cannot be written.
    pub fn save(&self, name: &str, content: &[u8]) -> io::Result<()> {
        self.replace(name, content, false)
    }

    /// Like [`save`](Self::save), and flushes the file and its name to disk.
    ///
    /// # Errors
    /// As `save`.
    pub fn save_to_disk(&self, name: &str, content: &[u8]) -> io::Result<()> {
        self.replace(name, content, true)?;
        self.dir.sync()
    }

    fn replace(&self, name: &str, content: &[u8], is_flushed: bool) -> io::Result<()> {
        let name = file_name(name)?;
        if content.len() as u64 > Self::MAX_BYTES {
            let words =
                format!("it has {} bytes; at most {} are accepted", content.len(), Self::MAX_BYTES);
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, words));
        }
        let new = format!("{NEW}{}", random_suffix());
        let mut file = create_new(&self.dir, &new, 0o600)?;
        let saved = self.owner.give_to_file(&file).and_then(|()| file.write_all(content));
        let saved = saved.and_then(|()| if is_flushed { file.sync_all() } else { Ok(()) });
        saved
            .and_then(|()| Ok(rustix::fs::renameat(&self.dir, &new, &self.dir, name)?))
            .inspect_err(|_| drop(unlink(&self.dir, &new)))
    }

    /// Removes a file, or another entry of this name that is not a folder; false if there is none.
    ///
    /// # Errors
    /// If the name is not valid for a file, or the file cannot be removed.
    pub fn remove(&self, name: &str) -> io::Result<bool> {
        unlink(&self.dir, file_name(name)?)
    }

    /// The names of all files, in any order.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in self.dir.entries()? {
            let entry = entry?;
            let name = entry.file_name().to_str().filter(|name| !name.starts_with('.'));
            names.extend(name.map(str::to_owned));
        }
        Ok(names)
    }

    fn remove_abandoned(&self) -> io::Result<()> {
        for entry in self.dir.entries()? {
            let entry = entry?;
            let name = entry.file_name().to_str().filter(|name| is_new(name));
            let Some(name) = name else { continue };
            let Some(info) = super::entry_info(&entry)? else { continue };
            let age = SystemTime::now().duration_since(info.modified);
            if age.is_ok_and(|age| age > ABANDONED) {
                unlink(&self.dir, name)?;
            }
        }
        Ok(())
    }

    fn warn(&self, name: &str, what: &str) {
        if self.warnings.try_acquire() {
            let folder = self.path.display();
            tracing::warn!(name, "{what} and is ignored; remove it from {folder}");
        }
    }
}

/// The name, if it is a single component.
fn single_component(name: &str) -> io::Result<&str> {
    let is_plain = !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0']);
    let words = "a name must be one path component, and not empty, \".\" or \"..\"";
    is_plain.then_some(name).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, words))
}

/// The name, if it is valid for a file. Names that begin with a dot are for temporary files and folders.
fn file_name(name: &str) -> io::Result<&str> {
    let words = "the name of a small file must not begin with a dot";
    let is_hidden = name.starts_with('.');
    if is_hidden {
        Err(io::Error::new(io::ErrorKind::InvalidInput, words))
    } else {
        single_component(name)
    }
}

/// Whether it is the name of a temporary file of this version or of an earlier one (`.PROCESS-NUMBER`).
fn is_new(name: &str) -> bool {
    let of_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let earlier = name.strip_prefix('.').and_then(|rest| rest.split_once('-'));
    name.starts_with(NEW) || earlier.is_some_and(|(a, b)| of_digits(a) && of_digits(b))
}
