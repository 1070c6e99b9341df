//! One system call of a traced program: its name, whether it can change anything, and its object.

use nix::libc::{self, c_long};
use nix::unistd::Pid;
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// The effect of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It can change a file, a directory or a lock, or send something.
    Changes,
    /// It can read a file or a directory.
    Reads,
    /// Neither.
    Other,
}

/// A call that a thread is about to make.
#[derive(Debug, Clone)]
pub struct Call {
    /// The index of the thread in the program.
    pub thread: usize,
    /// Its name, with a suffix that separates changing calls from others.
    pub name: &'static str,
    /// Its effect.
    pub kind: Kind,
    /// Its number.
    pub number: c_long,
    /// Its arguments.
    pub arguments: [u64; 6],
    process: Pid,
    task: Pid,
}

/// The position of a call's object in its arguments.
enum Subject {
    /// An open file.
    File(usize),
    /// A path, relative to the working directory.
    Path(usize),
    /// A path relative to an open directory.
    At(usize, usize),
    Nothing,
}

impl Call {
    pub(super) fn new(
        process: Pid,
        task: Pid,
        thread: usize,
        registers: &libc::user_regs_struct,
    ) -> Call {
        let number = registers.orig_rax.cast_signed();
        let arguments = [
            registers.rdi,
            registers.rsi,
            registers.rdx,
            registers.r10,
            registers.r8,
            registers.r9,
        ];
        let mut call =
            Call { thread, name: "", kind: Kind::Other, number, arguments, process, task };
        (call.name, call.kind) = call.classify();
        call
    }

    /// The path of the call's object, if it has one.
    pub fn path(&self) -> Option<PathBuf> {
        match self.subject() {
            Subject::File(argument) => self.open_file(self.arguments[argument]),
            Subject::Path(argument) => self.path_below(None, self.arguments[argument]),
            Subject::At(directory, argument) => {
                self.path_below(Some(self.arguments[directory]), self.arguments[argument])
            }
            Subject::Nothing => None,
        }
    }

    /// The second path of a rename or a link.
    pub fn second_path(&self) -> Option<PathBuf> {
        let [_, second, third, fourth, ..] = self.arguments;
        match self.number {
            libc::SYS_rename | libc::SYS_link => self.path_below(None, second),
            _ => self.path_below(Some(third), fourth),
        }
    }

    /// The file descriptor of the call's object.
    pub fn file(&self) -> Option<u64> {
        match self.subject() {
            Subject::File(argument) => Some(self.arguments[argument]),
            _ => None,
        }
    }

    /// A path to an open file of the program, through which the tracer can read it.
    pub fn file_in_proc(&self, file: u64) -> PathBuf {
        PathBuf::from(format!("/proc/{}/fd/{}", self.process, file as u32))
    }

    /// The offset of the next read or write of an open file.
    pub fn position(&self, file: u64) -> Option<u64> {
        let path = format!("/proc/{}/fdinfo/{}", self.process, file as u32);
        let info = std::fs::read_to_string(path).ok()?;
        info.lines().find_map(|line| line.strip_prefix("pos:"))?.trim().parse().ok()
    }

    /// Bytes of the program's memory.
    pub fn memory(&self, address: u64, length: u64) -> Option<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(length).ok()?];
        let memory = File::open(format!("/proc/{}/mem", self.task)).ok()?;
        memory.read_exact_at(&mut bytes, address).ok()?;
        Some(bytes)
    }

    /// A string of the program, without its NUL.
    pub fn string(&self, address: u64) -> Option<Vec<u8>> {
        let memory = File::open(format!("/proc/{}/mem", self.task)).ok()?;
        // Reads do not cross a page boundary, because the next page may not exist.
        let mut bytes = Vec::new();
        while bytes.len() < 8192 {
            let start = address + bytes.len() as u64;
            let mut part = vec![0; 64 - (start % 64) as usize];
            memory.read_exact_at(&mut part, start).ok()?;
            if let Some(end) = part.iter().position(|byte| *byte == 0) {
                bytes.extend_from_slice(&part[..end]);
                return Some(bytes);
            }
            bytes.extend_from_slice(&part);
        }
        None
    }

    /// Whether it is a rename that must not replace anything.
    pub fn must_not_replace(&self) -> bool {
        let flags = self.arguments[4] as u32;
        self.number == libc::SYS_renameat2 && flags & libc::RENAME_NOREPLACE != 0
    }

    /// The flags of an open call.
    pub fn open_flags(&self) -> Option<i32> {
        let flags = match self.number {
            libc::SYS_open => self.arguments[1],
            libc::SYS_openat => self.arguments[2],
            libc::SYS_openat2 => {
                u64::from_ne_bytes(self.memory(self.arguments[2], 8)?.try_into().ok()?)
            }
            _ => return None,
        };
        Some(flags as u32 as i32)
    }

    fn open_file(&self, file: u64) -> Option<PathBuf> {
        std::fs::read_link(self.file_in_proc(file)).ok()
    }

    fn path_below(&self, directory: Option<u64>, address: u64) -> Option<PathBuf> {
        // Some calls have no name if they refer to the open file itself.
        if address == 0 {
            return self.open_file(directory?);
        }
        let name = PathBuf::from(OsString::from_vec(self.string(address)?));
        // The open files of the program, not of this process.
        if let Ok(below) = name.strip_prefix("/proc/self/fd") {
            let mut parts = below.components();
            let file = self.open_file(parts.next()?.as_os_str().to_str()?.parse().ok()?)?;
            let rest = parts.as_path();
            return Some(if rest.as_os_str().is_empty() { file } else { file.join(rest) });
        }
        let base = match directory {
            Some(file) if file as u32 as i32 != libc::AT_FDCWD => self.open_file(file)?,
            _ => std::fs::read_link(format!("/proc/{}/cwd", self.process)).ok()?,
        };
        Some(if name.as_os_str() == "." { base } else { base.join(name) })
    }

    fn subject(&self) -> Subject {
        match self.number {
            libc::SYS_open
            | libc::SYS_mkdir
            | libc::SYS_rmdir
            | libc::SYS_unlink
            | libc::SYS_rename
            | libc::SYS_link
            | libc::SYS_chmod
            | libc::SYS_chown
            | libc::SYS_truncate
            | libc::SYS_setxattr
            | libc::SYS_lsetxattr
            | libc::SYS_removexattr
            | libc::SYS_lremovexattr => Subject::Path(0),
            libc::SYS_openat
            | libc::SYS_openat2
            | libc::SYS_mkdirat
            | libc::SYS_unlinkat
            | libc::SYS_renameat
            | libc::SYS_renameat2
            | libc::SYS_linkat
            | libc::SYS_utimensat
            | libc::SYS_fchmodat
            | libc::SYS_fchownat => Subject::At(0, 1),
            libc::SYS_symlinkat => Subject::At(1, 2),
            libc::SYS_symlink => Subject::Path(1),
            libc::SYS_write
            | libc::SYS_pwrite64
            | libc::SYS_writev
            | libc::SYS_pwritev
            | libc::SYS_ftruncate
            | libc::SYS_fallocate
            | libc::SYS_fsync
            | libc::SYS_fdatasync
            | libc::SYS_syncfs
            | libc::SYS_sync_file_range
            | libc::SYS_fsetxattr
            | libc::SYS_fremovexattr
            | libc::SYS_fchmod
            | libc::SYS_fchown
            | libc::SYS_flock
            | libc::SYS_fcntl
            | libc::SYS_read
            | libc::SYS_pread64
            | libc::SYS_readv
            | libc::SYS_getdents64
            | libc::SYS_fgetxattr => Subject::File(0),
            libc::SYS_copy_file_range => Subject::File(2),
            _ => Subject::Nothing,
        }
    }

    fn classify(&self) -> (&'static str, Kind) {
        let creates = libc::O_CREAT | libc::O_TRUNC;
        let name = match self.number {
            libc::SYS_open | libc::SYS_openat | libc::SYS_openat2 => {
                return match self.open_flags() {
                    Some(flags) if flags & creates != 0 => ("open to write", Kind::Changes),
                    // A file without a name (O_TMPFILE) is also created.
                    Some(flags) if flags & libc::O_TMPFILE == libc::O_TMPFILE => {
                        ("open to write", Kind::Changes)
                    }
                    _ => ("open", Kind::Reads),
                };
            }
            libc::SYS_fcntl => {
                // The type of the lock is the first member of the structure in the third argument.
                let kind = self.memory(self.arguments[2], 2).unwrap_or_default();
                let unlocks = kind == (libc::F_UNLCK as i16).to_ne_bytes();
                return match self.arguments[1] as i32 {
                    libc::F_SETLK | libc::F_OFD_SETLK if unlocks => ("fcntl unlock", Kind::Changes),
                    libc::F_SETLK | libc::F_SETLKW | libc::F_OFD_SETLK | libc::F_OFD_SETLKW => {
                        ("fcntl lock", Kind::Changes)
                    }
                    _ => ("", Kind::Other),
                };
            }
            libc::SYS_read | libc::SYS_pread64 | libc::SYS_readv => return ("read", Kind::Reads),
            libc::SYS_getdents64 => return ("getdents", Kind::Reads),
            libc::SYS_fgetxattr => return ("fgetxattr", Kind::Reads),
            libc::SYS_write | libc::SYS_writev => "write",
            libc::SYS_pwrite64 | libc::SYS_pwritev => "pwrite",
            libc::SYS_rename | libc::SYS_renameat | libc::SYS_renameat2 => "rename",
            libc::SYS_unlink | libc::SYS_unlinkat | libc::SYS_rmdir => "unlink",
            libc::SYS_mkdir | libc::SYS_mkdirat => "mkdir",
            libc::SYS_link | libc::SYS_linkat => "link",
            libc::SYS_symlink | libc::SYS_symlinkat => "symlink",
            libc::SYS_fsync | libc::SYS_syncfs => "fsync",
            libc::SYS_fdatasync | libc::SYS_sync_file_range => "fdatasync",
            libc::SYS_ftruncate | libc::SYS_truncate => "ftruncate",
            libc::SYS_fallocate => "fallocate",
            libc::SYS_copy_file_range => "copy_file_range",
            libc::SYS_fsetxattr | libc::SYS_setxattr | libc::SYS_lsetxattr => "setxattr",
            libc::SYS_fremovexattr | libc::SYS_removexattr | libc::SYS_lremovexattr => {
                "removexattr"
            }
            libc::SYS_utimensat => "utimensat",
            libc::SYS_fchmod | libc::SYS_chmod | libc::SYS_fchmodat => "chmod",
            libc::SYS_fchown | libc::SYS_chown | libc::SYS_fchownat => "chown",
            libc::SYS_flock if self.arguments[1] as i32 == libc::LOCK_UN => "flock unlock",
            libc::SYS_flock => "flock",
            _ => return ("", Kind::Other),
        };
        (name, Kind::Changes)
    }
}
