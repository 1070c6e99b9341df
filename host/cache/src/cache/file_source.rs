//! Images from open files.

use super::ImageCache;
use crate::error::{Error, Result, UnsuitableFile};
use crate::outcome::Outcome;
use image_cache_model::Expected;
use rustix::fs::{OFlags, fcntl_getfl};
use std::fs::{File, FileType};
use std::io::{self, Seek};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;

impl ImageCache {
    /// Like [`cache_image`](Self::cache_image), from an open file: anything that has a descriptor, such as a `File`, an `OwnedFd`, a
    /// pipe, or the standard output of a child process.
    ///
    /// - A regular file or a block device is read from its current position to its end. If `expected` has no size, the rest of a
    ///   regular file is expected.
    /// - A pipe or a stream socket is read until the other side closes it. Expect a size or a checksum: a writer that fails closes
    ///   it, too.
    ///
    /// The position moves; the handle stays open.
    ///
    /// ```
    /// use image_cache::{Config, Expected, ImageCache, Outcome};
    /// # let scratch = tempfile::tempdir()?;
    /// # let directory = scratch.path().join("cache");
    /// # let path = scratch.path().join("cirros.img");
    /// # std::fs::write(&path, "an image")?;
    /// let cache = ImageCache::open(Config::builder(directory).build()?)?;
    /// let file = std::fs::File::open(path)?;
    /// let outcome = cache.cache_image_file("cirros", &file, Expected::nothing())?;
    /// assert!(matches!(outcome, Outcome::Cached(_)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::UnsuitableFile`] for a directory, a character device (`/dev/zero` never ends), a handle that was not opened for
    /// reading, and a pipe or socket that does not block; nothing is read then.
    pub fn cache_image_file(
        &self,
        id: &str,
        file: impl AsFd,
        mut expected: Expected,
    ) -> Result<Outcome> {
        let image_id = self.inner()?.image_id(id)?;
        let failed = |error: io::Error| Error::source_failed(&image_id)(error);
        // The copy of the descriptor shares the position.
        let mut file = File::from(file.as_fd().try_clone_to_owned().map_err(failed)?);
        let metadata = file.metadata().map_err(failed)?;
        if let Some(reason) = refusal(&file, metadata.file_type()).map_err(failed)? {
            return Err(Error::UnsuitableFile { image_id, reason });
        }
        if expected.size.is_none() && metadata.is_file() {
            let position = file.stream_position().map_err(failed)?;
            expected.size = Some(metadata.len().saturating_sub(position));
        }
        self.cache_image(id, file, expected)
    }
}

/// Why the file cannot be a source.
fn refusal(file: &File, kind: FileType) -> io::Result<Option<UnsuitableFile>> {
    let may_wait = kind.is_fifo() || kind.is_socket();
    if kind.is_dir() {
        return Ok(Some(UnsuitableFile::Directory));
    }
    if kind.is_char_device() {
        return Ok(Some(UnsuitableFile::CharacterDevice));
    }
    if !kind.is_file() && !kind.is_block_device() && !may_wait {
        return Ok(Some(UnsuitableFile::OtherKind));
    }
    let flags = fcntl_getfl(file)?;
    if flags.contains(OFlags::PATH) || (flags & OFlags::RWMODE) == OFlags::WRONLY {
        return Ok(Some(UnsuitableFile::NotForReading));
    }
    let never_waits = may_wait && flags.contains(OFlags::NONBLOCK);
    Ok(never_waits.then_some(UnsuitableFile::NonBlocking))
}
