//! The disk operations of a run, call by call: recorded during the run, and then partially replayed.

use super::call::Call;
use super::tracer::{Act, Watcher};
use nix::libc;
use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// The number of a file or directory in a log.
pub type Inode = usize;

/// The operation.
#[derive(Debug, Clone)]
pub enum Done {
    /// A directory got an entry for a file or directory that was created or linked.
    Enter { directory: Inode, name: OsString, inode: Inode },
    /// A directory lost an entry.
    Leave { directory: Inode, name: OsString },
    /// A file was renamed, atomically as on all supported file systems.
    Move { from: Inode, old: OsString, to: Inode, new: OsString, inode: Inode },
    /// Bytes were written.
    Write { inode: Inode, offset: u64, data: Arc<[u8]> },
    /// A file was truncated or extended.
    Resize { inode: Inode, length: u64 },
    /// An attribute was set, or removed.
    Attribute { inode: Inode, name: OsString, value: Option<Vec<u8>> },
    /// Times, owner or mode were changed.
    Metadata { inode: Inode },
    /// A file or directory was synced.
    Sync { inode: Inode },
    /// The program reported something to its caller.
    Said,
}

/// A step, and the times of its file after it.
#[derive(Debug, Clone)]
pub struct Step {
    /// The operation.
    pub done: Done,
    /// The modification and access times.
    pub times: Option<Times>,
}

/// The modification and access times of a file.
pub type Times = (SystemTime, SystemTime);

/// A file or directory at the start of the recording, or when it was created.
#[derive(Debug, Clone)]
pub enum Node {
    /// Its entries.
    Directory(BTreeMap<OsString, Inode>),
    /// Its bytes, attributes and times.
    File { bytes: Arc<[u8]>, attributes: BTreeMap<OsString, Vec<u8>>, times: Times },
}

/// A run.
#[derive(Debug, Default)]
pub struct Log {
    /// The files by number; 0 is the root.
    pub nodes: Vec<Node>,
    /// The steps in order.
    pub steps: Vec<Step>,
    /// The files of SQLite.
    pub databases: Vec<Inode>,
    /// Disk operations that this model does not support.
    pub unknown: Vec<String>,
}

impl Log {
    /// Whether a step changes a file of SQLite.
    pub fn is_of_database(&self, step: usize) -> bool {
        let Done::Write { inode, .. } = self.steps[step].done else { return false };
        self.databases.contains(&inode)
    }

    /// Merges a write with the previous one if both together make one page: SQLite writes the header of a page in its log and
    /// then the page itself. If only one of them reaches the disk, this is a torn write.
    fn joins(&mut self, inode: Inode, offset: u64, data: &[u8], now: Option<Times>) -> bool {
        let Some(Step { done: Done::Write { inode: file, offset: start, data: before }, times }) =
            self.steps.last_mut()
        else {
            return false;
        };
        let is_next = *file == inode && *start + before.len() as u64 == offset;
        if !is_next || before.len() > 64 {
            return false;
        }
        *before = [before, data].concat().into();
        *times = now;
        true
    }
}

/// Records a log.
pub struct LogRecorder {
    root: PathBuf,
    /// The file descriptor on which the program reports to its caller.
    out: PathBuf,
    known: HashMap<(u64, u64), Inode>,
    /// Files in memory that processes share; they are lost in a crash.
    volatile: Vec<Inode>,
    /// For each thread: whether the file existed, and the offset of a write.
    before: HashMap<usize, (bool, u64)>,
    /// The recording.
    pub log: Log,
}

impl LogRecorder {
    /// Reads the initial content of the disk.
    pub fn new(root: &Path, out: &Path) -> io::Result<LogRecorder> {
        let log = Log::default();
        let mut recorder = LogRecorder {
            root: root.to_owned(),
            out: out.to_owned(),
            known: HashMap::new(),
            volatile: Vec::new(),
            before: HashMap::new(),
            log,
        };
        recorder.look(root)?;
        Ok(recorder)
    }

    fn look(&mut self, path: &Path) -> io::Result<Inode> {
        let metadata = fs::symlink_metadata(path)?;
        let inode = self.add(path, &metadata, Node::Directory(BTreeMap::new()));
        self.log.nodes[inode] = if metadata.is_dir() {
            let mut entries = BTreeMap::new();
            for entry in fs::read_dir(path)? {
                let name = entry?.file_name();
                entries.insert(name.clone(), self.look(&path.join(&name))?);
            }
            Node::Directory(entries)
        } else {
            let mut attributes = BTreeMap::new();
            for name in xattr::list(path)? {
                let value = xattr::get(path, &name)?.unwrap_or_default();
                attributes.insert(name, value);
            }
            let bytes = super::sandbox::read_untouched(path)?.into();
            Node::File { bytes, attributes, times: times(&metadata) }
        };
        Ok(inode)
    }

    fn add(&mut self, path: &Path, metadata: &Metadata, node: Node) -> Inode {
        let inode = self.log.nodes.len();
        self.log.nodes.push(node);
        // The number of a removed file may be reused.
        self.known.insert((metadata.dev(), metadata.ino()), inode);
        let name = path.file_name().unwrap_or_default().as_bytes();
        if name.starts_with(b"cache.db") {
            self.log.databases.push(inode);
        }
        if name.ends_with(b"-shm") {
            self.volatile.push(inode);
        }
        inode
    }

    fn inode(&self, path: &Path) -> Option<Inode> {
        let metadata = fs::metadata(path).ok()?;
        self.known.get(&(metadata.dev(), metadata.ino())).copied()
    }

    /// The directory of a path on the disk, and the name in it.
    fn entry(&self, path: &Path) -> Option<(Inode, OsString)> {
        let directory = path.parent().filter(|parent| parent.starts_with(&self.root))?;
        Some((self.inode(directory)?, path.file_name()?.to_owned()))
    }

    fn push(&mut self, done: Done, file: Option<&Path>) {
        let metadata = file.and_then(|file| fs::metadata(file).ok());
        self.log.steps.push(Step { done, times: metadata.as_ref().map(times) });
    }

    fn made(&mut self, path: &Path, node: Node) -> Option<()> {
        let (directory, name) = self.entry(path)?;
        let inode = self.add(path, &fs::metadata(path).ok()?, node);
        self.push(Done::Enter { directory, name, inode }, Some(path));
        Some(())
    }

    fn record(&mut self, call: &Call, answer: i64) -> Option<()> {
        let (existed, position) = self.before.remove(&call.thread).unwrap_or_default();
        let arguments = call.arguments;
        match call.number {
            libc::SYS_open | libc::SYS_openat | libc::SYS_openat2 => {
                self.opened(call, answer, existed)
            }
            libc::SYS_mkdir | libc::SYS_mkdirat => {
                self.made(&call.path()?, Node::Directory(BTreeMap::new()))
            }
            libc::SYS_link | libc::SYS_linkat => {
                let path = call.second_path()?;
                let (directory, name) = self.entry(&path)?;
                let inode = self.inode(&path)?;
                self.push(Done::Enter { directory, name, inode }, Some(&path));
                Some(())
            }
            libc::SYS_unlink | libc::SYS_unlinkat | libc::SYS_rmdir => {
                let (directory, name) = self.entry(&call.path()?)?;
                self.push(Done::Leave { directory, name }, None);
                Some(())
            }
            libc::SYS_rename | libc::SYS_renameat | libc::SYS_renameat2 => {
                let path = call.second_path()?;
                let ((from, old), (to, new)) = (self.entry(&call.path()?)?, self.entry(&path)?);
                let inode = self.inode(&path)?;
                self.push(Done::Move { from, old, to, new, inode }, Some(&path));
                Some(())
            }
            libc::SYS_write | libc::SYS_pwrite64 => {
                let offset = if call.number == libc::SYS_write { position } else { arguments[3] };
                self.wrote(call, offset, answer)
            }
            _ => self.changed(call),
        }
    }

    fn opened(&mut self, call: &Call, answer: i64, existed: bool) -> Option<()> {
        let (flags, path) = (call.open_flags()?, call.path()?);
        if !path.starts_with(&self.root) {
            return None;
        }
        let file = || {
            let now = SystemTime::now();
            Node::File { bytes: Arc::new([]), attributes: BTreeMap::new(), times: (now, now) }
        };
        if flags & libc::O_TMPFILE == libc::O_TMPFILE {
            let opened = call.file_in_proc(answer.cast_unsigned());
            self.add(&path, &fs::metadata(opened).ok()?, file());
        } else if flags & libc::O_CREAT != 0 && !existed {
            self.made(&path, file())?;
        } else if flags & libc::O_TRUNC != 0 {
            let inode = self.inode(&path)?;
            self.push(Done::Resize { inode, length: 0 }, Some(&path));
        }
        Some(())
    }

    fn wrote(&mut self, call: &Call, offset: u64, answer: i64) -> Option<()> {
        if call.path()? == self.out {
            if !self.log.steps.iter().any(|step| matches!(step.done, Done::Said)) {
                self.push(Done::Said, None);
            }
            return Some(());
        }
        let file = call.file_in_proc(call.file()?);
        let inode = self.inode(&file).filter(|inode| !self.volatile.contains(inode))?;
        let data = call.memory(call.arguments[1], answer.cast_unsigned())?;
        let now = fs::metadata(&file).ok().as_ref().map(times);
        if !self.log.joins(inode, offset, &data, now) {
            self.push(Done::Write { inode, offset, data: data.into() }, Some(&file));
        }
        Some(())
    }

    /// Changes of an open file except its bytes.
    fn changed(&mut self, call: &Call) -> Option<()> {
        let file = match call.file() {
            Some(file) => call.file_in_proc(file),
            None => call.path()?,
        };
        let inode = self.inode(&file).filter(|inode| !self.volatile.contains(inode))?;
        let arguments = call.arguments;
        let name = || Some(OsStr::from_bytes(&call.string(arguments[1])?).to_owned());
        let done = match call.number {
            libc::SYS_fsync | libc::SYS_fdatasync => Done::Sync { inode },
            libc::SYS_ftruncate => Done::Resize { inode, length: arguments[1] },
            // Its length may stay; reserved space contains zeros.
            libc::SYS_fallocate => Done::Resize { inode, length: fs::metadata(&file).ok()?.len() },
            libc::SYS_fsetxattr => {
                let value = call.memory(arguments[2], arguments[3])?;
                Done::Attribute { inode, name: name()?, value: Some(value) }
            }
            libc::SYS_fremovexattr => Done::Attribute { inode, name: name()?, value: None },
            libc::SYS_utimensat | libc::SYS_fchmod | libc::SYS_fchown => Done::Metadata { inode },
            libc::SYS_flock | libc::SYS_fcntl => return None,
            _ => {
                self.log.unknown.push(format!("{} of {}", call.name, file.display()));
                return None;
            }
        };
        self.push(done, Some(&file));
        Some(())
    }
}

impl Watcher for LogRecorder {
    fn enter(&mut self, call: &Call) -> Act {
        if call.kind == super::call::Kind::Changes || call.open_flags().is_some() {
            let existed = call.path().is_some_and(|path| path.exists());
            let position = call.file().and_then(|file| call.position(file)).unwrap_or(0);
            self.before.insert(call.thread, (existed, position));
        }
        Act::Go
    }

    fn leave(&mut self, call: &Call, answer: i64) {
        if call.kind == super::call::Kind::Changes && answer >= 0 {
            // Files outside the disk are ignored.
            let _ = self.record(call, answer);
        }
    }
}

fn times(metadata: &Metadata) -> Times {
    let now = SystemTime::now();
    (metadata.modified().unwrap_or(now), metadata.accessed().unwrap_or(now))
}
