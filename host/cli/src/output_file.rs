//! A file that exists completely or not at all: it is written without a name, and named at the end.

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use std::fs::{File, OpenOptions, Permissions};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::{fs, io};
use tempfile::{Builder, TempPath};

/// A file that is being written; if it is dropped before [`commit`](Self::commit), it leaves nothing.
pub struct OutputFile {
    file: File,
    target: PathBuf,
    mode: WriteMode,
}

enum WriteMode {
    /// It has no name yet, so that even a killed process leaves nothing.
    Unnamed,
    /// The file system supports only named files; this one is removed when it is dropped.
    Named(TempPath),
    /// The target is not a regular file (`/dev/null`, a pipe): the bytes are written directly to it.
    Direct,
}

impl OutputFile {
    /// Prepares a file that will replace `path`; if that is a symbolic link, its target.
    pub fn create(path: &Path) -> io::Result<OutputFile> {
        let target = match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            Ok(metadata) if !metadata.is_file() => {
                let file = OpenOptions::new().write(true).open(path)?;
                return Ok(OutputFile { file, target: path.into(), mode: WriteMode::Direct });
            }
            Ok(_) => fs::canonicalize(path)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => path.into(),
            Err(error) => return Err(error),
        };
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
        match rustix::fs::open(directory(&target), flags, Mode::from_raw_mode(0o666)) {
            Ok(file) => Ok(OutputFile { file: file.into(), target, mode: WriteMode::Unnamed }),
            Err(_) => {
                let (file, path) = named(&target)?;
                Ok(OutputFile { file, target, mode: WriteMode::Named(path) })
            }
        }
    }

    /// Moves the file to its path.
    pub fn commit(self) -> io::Result<()> {
        match self.mode {
            WriteMode::Direct => Ok(()),
            WriteMode::Named(path) => path.persist(&self.target).map_err(|error| error.error),
            WriteMode::Unnamed => {
                // A link cannot replace a file, but a rename can; the temporary name is short-lived.
                let name = Builder::new()
                    .prefix(".image-cache-")
                    .make_in(directory(&self.target), |name| link(&self.file, name))?
                    .into_temp_path();
                name.persist(&self.target).map_err(|error| error.error)
            }
        }
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn directory(target: &Path) -> &Path {
    match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn named(target: &Path) -> io::Result<(File, TempPath)> {
    let permissions = Permissions::from_mode(0o666);
    let file = Builder::new()
        .prefix(".image-cache-")
        .permissions(permissions)
        .tempfile_in(directory(target))?;
    Ok(file.into_parts())
}

fn link(file: &File, name: &Path) -> io::Result<()> {
    let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(rustix::fs::linkat(CWD, unnamed, CWD, name, AtFlags::SYMLINK_FOLLOW)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_exists_only_after_commit_and_replaces_the_old_one() -> io::Result<()> {
        let scratch = tempfile::tempdir()?;
        let (path, link) = (scratch.path().join("image"), scratch.path().join("link"));
        for content in ["one", "two"] {
            let mut file = OutputFile::create(&path)?;
            file.write_all(content.as_bytes())?;
            drop(file);
            assert!(fs::read_to_string(&path).unwrap_or_default() != content);
            let mut file = OutputFile::create(&path)?;
            file.write_all(content.as_bytes())?;
            file.commit()?;
            assert_eq!(fs::read_to_string(&path)?, content);
        }
        std::os::unix::fs::symlink(&path, &link)?;
        OutputFile::create(&link)?.commit()?;
        assert_eq!(fs::read_to_string(&path)?, "", "the file behind the link was replaced");
        assert_eq!(fs::read_dir(scratch.path())?.count(), 2, "nothing else remains");
        Ok(())
    }

    #[test]
    fn a_file_system_without_unnamed_files_is_supported() -> io::Result<()> {
        let scratch = tempfile::tempdir()?;
        let target = scratch.path().join("image");
        let (file, path) = named(&target)?;
        drop((file, path));
        assert_eq!(fs::read_dir(scratch.path())?.count(), 0);
        let (file, path) = named(&target)?;
        OutputFile { file, target: target.clone(), mode: WriteMode::Named(path) }.commit()?;
        assert!(target.is_file());
        Ok(())
    }

    #[test]
    fn a_device_is_written_to_and_a_directory_refused() -> io::Result<()> {
        let mut null = OutputFile::create(Path::new("/dev/null"))?;
        null.write_all(b"bytes")?;
        null.commit()?;
        assert!(OutputFile::create(Path::new("/")).is_err());
        Ok(())
    }
}
