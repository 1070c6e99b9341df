//! Forked child processes: how they are noticed, and what they must not share with their parent.
//!
//! `fork` copies the memory and the descriptors of a process, but only the thread that calls it. So a child
//!
//! - has mutexes that a thread of the parent held, and nobody unlocks: what must work in a child is kept [per
//!   process](PerProcess), and the copy of the parent is neither used nor dropped;
//! - has its parent's open files, and with them its locks, which belong to the open files: a [`LockFile`] is closed in the child
//!   at once, so that no lock outlives the parent;
//! - has values whose drop would undo or repeat the work of the parent: they know their [`Generation`].
//!
//! While a process forks, its other threads should not be inside of libraries with locks of the whole process: they announce
//! [`Working`], and the fork waits for them for a limited time.
//!
//! A child is noticed if it was forked with `fork` of the C library. It is not if it was made with a bare system call or `_Fork`,
//! which permit a program only to execute another one. Memory that a child shares with its parent until it executes a program
//! (`vfork`, `posix_spawn`) is not affected.

mod forks;
mod handlers;
mod lock_file;
mod per_process;
mod working;

pub use forks::Generation;
pub use handlers::watch_forks;
pub use lock_file::{LockFile, LockedDescriptor};
pub use per_process::PerProcess;
pub use working::Working;
