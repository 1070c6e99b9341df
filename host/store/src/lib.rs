//! The files on disk: the cache directory, block digests of its images, locks and reservations.
//!
//! This page documents what the packages above can rely on. The store manages files. It uses neither records, which a driver
//! keeps, nor the sources of images.
//!
//! # The states of an image
//!
//! ```text
//!   Incomplete::take                Incomplete::publish              Directory::evict, remove_cached
//! ───────────────────▶ incomplete/ID ──────────────────▶ ID (cached) ───────────────────────────────▶ gone
//!                            │                                │
//!          drop, unverified  │                                │  Directory::quarantine, a block is damaged
//!                            └──────────▶ invalid/ID ◀────────┘
//! ```
//!
//! - **Incomplete**: at most one live writer per image in all processes, with the exclusive lock of `incomplete/ID`. Other
//!   processes may [read it while it grows](Directory::open_growing). The writer announces its reservation on the file itself,
//!   and all processes count it ([`ActiveFills`]).
//! - **Cached**: the file is complete, its writer has verified it, and the cache does not write to it again. Publishing never
//!   replaces a file. A reader's shared lock prevents [eviction](Directory::evict).
//! - **Invalid**: kept for the operator, never served. Cleaning the cache removes it.
//!
//! A value that represents unfinished work undoes the work when it is dropped:
//!
//! | value | on a drop before the end |
//! |---|---|
//! | [`Incomplete`] | moves the file to `invalid/`; removes it if its bytes were verified |
//! | [`StagedDigests`] | removes the digests |
//! | [`UnlinkedFile`] | closes the file, which frees its space |
//! | a lock's guard | releases the lock |
//!
//! # Digests
//!
//! Each cached image may have [block digests](integrity), published just before it. They are optional: if digests are missing,
//! torn or of another file, they are computed again, and the image remains cached.
//!
//! # Locks
//!
//! There are three kinds, taken in this order: an image's lock, the directory's lock, a file's lock. The module
//! `directory/image_lock.rs` documents what each protects and why the order cannot deadlock. Methods that need the directory's
//! lock are marked "call with the directory locked".
//!
//! # The state after a crash
//!
//! | a crash | leaves | later |
//! |---|---|---|
//! | while an image is written | `incomplete/ID` without a lock | replaced by the next writer, or cleaned |
//! | before an image is published | a record and perhaps digests | removed when the cache is opened |
//! | between `link` and `unlink`, instead of a rename | both names of one file | cached; the other name is cleaned |
//! | while an image is removed | a record without a file | removed when the cache is opened |
//! | while a small file or digests are written | a file under a temporary name | removed when the folder is opened, or swept |
//!
//! With [`Durability::Full`](image_cache_model::Durability::Full) a power loss leaves the same as a crash: the file and its
//! digests are flushed before the rename, and the directory after it. Otherwise an image may be lost or damaged, and its digests
//! detect that.
//!
//! # Forked processes
//!
//! A forked child closes the lock files of its parent, and the values that represent the parent's unfinished work do nothing in
//! it: see [`process`].
//!
//! # Hostile directories
//!
//! The owner of the directory may put anything into it while root has it open. No link is followed, no file is opened by a path,
//! no call blocks on a pipe, and no file outside the base directory is read, written or given another owner.

#![deny(missing_docs)]

mod directory;
pub mod image_hasher;
pub mod integrity;
pub mod process;
pub mod sync;

pub use directory::*;
