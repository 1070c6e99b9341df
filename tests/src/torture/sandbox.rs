//! The sandbox of one run: a new copy of a prepared directory, and the programs that run in it.

use super::operation::{MD5, Operation, Program, image};
use super::points::CannotKeepFromReplacing;
use super::tracer::{self, End, Watcher};
use crate::{TempCache, Tested, md5_hex};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// The programs under test.
pub struct Programs {
    /// The command line.
    pub command_line: PathBuf,
    /// The program that uses the library.
    pub read_through: PathBuf,
    /// The directory in which both store compiled drivers.
    compiled: TempDir,
}

impl Programs {
    /// The programs at these paths.
    pub fn new(command_line: &Path, read_through: &Path) -> io::Result<Programs> {
        let (command_line, read_through) =
            (command_line.canonicalize()?, read_through.canonicalize()?);
        Ok(Programs { command_line, read_through, compiled: TempDir::new()? })
    }

    fn command(&self, operation: &Operation, sandbox: &Sandbox) -> Command {
        let (driver, dir) = (sandbox.driver, sandbox.disk.join("cache"));
        let compiled = match operation.is_cold {
            true => sandbox.beside("compiled"),
            false => self.compiled.path().to_owned(),
        };
        let mut command = match operation.program {
            Program::CommandLine => Command::new(&self.command_line),
            Program::ReadThrough => Command::new(&self.read_through),
        };
        command.env_clear().env("RUST_BACKTRACE", "0").env("XDG_CACHE_HOME", compiled);
        match operation.program {
            Program::CommandLine => {
                command.arg("--cache-dir").arg(&dir).args(["--driver", driver]);
            }
            Program::ReadThrough => {
                command.arg(&dir).arg(driver);
            }
        }
        let md5 = image("added").map(|added| md5_hex(&added)).unwrap_or_default();
        command
            .args(operation.arguments.iter().map(|word| if *word == MD5 { &md5 } else { *word }));
        command
    }
}

/// The result of a run.
#[derive(Debug)]
pub struct Outcome {
    /// Its end.
    pub end: End,
    /// Its standard output.
    pub out: Vec<u8>,
    /// Its standard error.
    pub err: String,
}

/// The directory of one run: `disk/cache`, the source, and the output of the program.
pub struct Sandbox {
    scratch: TempDir,
    disk: PathBuf,
    driver: &'static str,
}

impl Sandbox {
    /// A sandbox with the initial state of an operation.
    pub fn prepared(operation: &Operation, driver: &'static str) -> Tested<Sandbox> {
        let sandbox = Sandbox::empty(driver)?;
        fs::create_dir(sandbox.disk())?;
        (operation.before)(&sandbox.temp());
        Ok(sandbox)
    }

    /// A sandbox without a disk.
    pub fn empty(driver: &'static str) -> Tested<Sandbox> {
        let scratch = in_memory()?;
        fs::write(scratch.path().join("source"), image("added").ok_or("it is one of ours")?)?;
        let disk = scratch.path().join("disk");
        Ok(Sandbox { scratch, disk, driver })
    }

    /// Another sandbox with a copy of the disk.
    pub fn copy(&self) -> Tested<Sandbox> {
        let scratch = in_memory()?;
        let disk = scratch.path().join("disk");
        self.copied(scratch, disk)
    }

    /// Another sandbox whose disk is a directory that a function creates.
    pub fn copy_to(&self, disk: PathBuf) -> Tested<Sandbox> {
        self.copied(in_memory()?, disk)
    }

    fn copied(&self, scratch: TempDir, disk: PathBuf) -> Tested<Sandbox> {
        symlink(self.scratch.path().join("source"), scratch.path().join("source"))?;
        copy_tree(&self.disk, &disk)?;
        Ok(Sandbox { scratch, disk, driver: self.driver })
    }

    /// The directory that represents a disk.
    pub fn disk(&self) -> &Path {
        &self.disk
    }

    /// The cache on it.
    pub fn temp(&self) -> TempCache {
        TempCache::at(self.driver, self.disk.join("cache"))
    }

    /// A file beside the disk.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// The names beside the disk.
    pub fn names_beside(&self) -> io::Result<Vec<String>> {
        let entries = fs::read_dir(self.scratch.path())?;
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    /// Runs an operation with a watcher.
    pub fn run(
        &self,
        operation: &Operation,
        programs: &Programs,
        watcher: &mut dyn Watcher,
    ) -> Tested<Outcome> {
        let (out, err) = (self.beside("out"), self.beside("err"));
        let mut command = programs.command(operation, self);
        command
            .current_dir(self.scratch.path())
            .stdin(Stdio::null())
            .stdout(File::create(&out)?)
            .stderr(File::create(&err)?);
        let end = if operation.replaces_in_renames {
            tracer::run(&mut command, &mut CannotKeepFromReplacing(watcher))?
        } else {
            tracer::run(&mut command, watcher)?
        };
        let err = String::from_utf8_lossy(&fs::read(&err)?).into_owned();
        Ok(Outcome { end, out: fs::read(&out)?, err })
    }
}

/// A directory in memory, if files in it can have attributes: a process leaves the same state there, and a sync is free.
pub(super) fn in_memory() -> io::Result<TempDir> {
    match TempDir::new_in("/dev/shm") {
        Ok(scratch) if xattr::set(scratch.path(), "user.test", b"1").is_ok() => Ok(scratch),
        _ => TempDir::new(),
    }
}

/// Copies a directory with its content: bytes, modes, attributes and times.
fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(from)?;
    if metadata.is_dir() {
        fs::create_dir(to)?;
        for entry in fs::read_dir(from)? {
            let name = entry?.file_name();
            copy_tree(&from.join(&name), &to.join(&name))?;
        }
        return fs::set_permissions(to, metadata.permissions());
    }
    fs::write(to, read_untouched(from)?)?;
    fs::set_permissions(to, metadata.permissions())?;
    copy_attributes(from, to)?;
    let times =
        fs::FileTimes::new().set_accessed(metadata.accessed()?).set_modified(metadata.modified()?);
    File::open(to)?.set_times(times)
}

/// Reads a file without changing its access time, which is the eviction order.
pub(super) fn read_untouched(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::options().read(true).custom_flags(nix::libc::O_NOATIME).open(path)?;
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut file, &mut bytes)?;
    Ok(bytes)
}

fn copy_attributes(from: &Path, to: &Path) -> io::Result<()> {
    let is_user = |name: &OsStr| name.as_encoded_bytes().starts_with(b"user.");
    for name in xattr::list(from)?.filter(|name| is_user(name)) {
        if let Some(value) = xattr::get(from, &name)? {
            xattr::set(to, &name, &value)?;
        }
    }
    Ok(())
}
