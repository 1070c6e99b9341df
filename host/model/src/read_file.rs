//! Reads a whole file that an operator named, with a size limit and without blocking.

use rustix::fs::OFlags;
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::{fs, io};

/// The bytes of a regular file, at most `most`. Follows symbolic links, because the operator named the file. Pipes (`/dev/stdin`,
/// a shell's `<(…)`), sockets and devices are refused: reading them could block forever, and they cannot be read again when the
/// configuration is reloaded.
///
/// # Errors
/// Of kind [`InvalidInput`](io::ErrorKind::InvalidInput) or [`IsADirectory`](io::ErrorKind::IsADirectory) if it is not a regular
/// file, of kind [`FileTooLarge`](io::ErrorKind::FileTooLarge) if it has more bytes, and errors of the system.
pub fn read_file(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    // Also checked before the file is opened, because opening some devices has side effects.
    check(&fs::metadata(path)?)?;
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::options().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    let metadata = file.metadata()?;
    check(&metadata)?;
    let too_large = || {
        let words = format!("it has more than {most} bytes");
        Err(io::Error::new(io::ErrorKind::FileTooLarge, words))
    };
    if metadata.len() > most {
        return too_large();
    }
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most { too_large() } else { Ok(bytes) }
}

fn check(found: &Metadata) -> io::Result<()> {
    let kind = found.file_type();
    if kind.is_file() {
        return Ok(());
    }
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let what = match kind {
        kind if kind.is_fifo() => "a pipe",
        kind if kind.is_socket() => "a socket",
        _ => "a device",
    };
    let words = format!("it is {what}; a regular file is needed");
    Err(io::Error::new(io::ErrorKind::InvalidInput, words))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    #[test]
    fn a_regular_file_is_read_and_everything_else_is_refused_at_once() {
        let place = tempfile::tempdir().expect("a directory");
        let path = |name: &str| place.path().join(name);
        fs::write(path("file"), "content").expect("a file");
        std::os::unix::fs::symlink(path("file"), path("link")).expect("a link");
        mknodat(CWD, path("pipe"), FileType::Fifo, Mode::RWXU, 0).expect("a pipe");
        assert_eq!(read_file(&path("file"), 7).expect("it fits"), b"content");
        assert_eq!(read_file(&path("link"), 7).expect("it fits"), b"content");
        let kind = |path: &Path| read_file(path, 6).expect_err("it is refused").kind();
        assert_eq!(kind(&path("file")), io::ErrorKind::FileTooLarge);
        assert_eq!(kind(&path("pipe")), io::ErrorKind::InvalidInput);
        assert_eq!(kind(Path::new("/dev/zero")), io::ErrorKind::InvalidInput);
        assert_eq!(kind(place.path()), io::ErrorKind::IsADirectory);
        assert_eq!(kind(&path("nothing")), io::ErrorKind::NotFound);
    }
}
