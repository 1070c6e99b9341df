//! The functions that the C library calls before and after a fork.

use super::{forks, lock_file, working};
use nix::libc::c_int;
use rustix::fs::{CWD, Mode, OFlags};
use std::os::fd::IntoRawFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, Ordering};

/// A descriptor through which nothing can be read or written, for the numbers of closed files; -1 if there is none.
static NOTHING: AtomicI32 = AtomicI32::new(-1);

unsafe extern "C" {
    fn pthread_atfork(
        prepare: Option<unsafe extern "C" fn()>,
        parent: Option<unsafe extern "C" fn()>,
        child: Option<unsafe extern "C" fn()>,
    ) -> c_int;
}

/// From now on, forks of this process are noticed. Call it before a file is locked; it does something only once, and keeps one
/// descriptor open.
pub fn watch_forks() {
    static WATCHED: OnceLock<()> = OnceLock::new();
    WATCHED.get_or_init(|| {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        if let Ok(nothing) = rustix::fs::openat(CWD, "/dev/null", flags, Mode::empty()) {
            NOTHING.store(nothing.into_raw_fd(), Ordering::SeqCst);
        }
        // SAFETY: the functions live as long as this library: the C library forgets them when it unloads it. What they do in a child
        // is explained at each.
        let status = unsafe { pthread_atfork(Some(before_fork), Some(in_parent), Some(in_child)) };
        if status != 0 {
            tracing::warn!(
                status,
                "forks of this process are not noticed: open no cache before a fork"
            );
        }
    });
}

/// In the thread that forks, before it does: an ordinary function.
unsafe extern "C" fn before_fork() {
    forks::begin();
    working::wait_for_others();
}

/// In the parent, also if the fork failed.
unsafe extern "C" fn in_parent() {
    forks::end_in_parent();
}

/// In the child, where only functions may be called that are allowed in a signal handler: it changes atomics and closes files.
unsafe extern "C" fn in_child() {
    forks::end_in_child();
    working::forget_others();
    lock_file::close_inherited(NOTHING.load(Ordering::SeqCst));
}
