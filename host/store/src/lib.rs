//! What lies on disk: the cache directory, the digests of its images' blocks, locks and reservations.
//!
//! This page is what the store promises to the packages above it. It knows files and nothing of their records, which a driver
//! keeps, and nothing of where images come from.
//!
//! # The life of an image
//!
//! ```text
//!   Incomplete::take                Incomplete::publish              Directory::evict, remove_cached
//! ───────────────────▶ incomplete/ID ──────────────────▶ ID (cached) ───────────────────────────────▶ gone
//!                            │                                │
//!          drop, unverified  │                                │  Directory::quarantine, a block is damaged
//!                            └──────────▶ invalid/ID ◀────────┘
//! ```
//!
//! - **Incomplete**: at most one live writer per image, in all processes: it holds the exclusive lock of `incomplete/ID`. Other
//!   processes may [read it while it grows](Directory::open_growing). What its writer may still write is announced on the file
//!   itself and counted by everybody ([`ActiveFills`]).
//! - **Cached**: the file is complete, its writer has verified it, and nobody writes to it again. Publishing never replaces a file. A reader
//!   holds a shared lock, which keeps the image from being [evicted](Directory::evict).
//! - **Invalid**: kept for an administrator, never served. It goes when the cache is cleaned.
//!
//! A value that stands for unfinished work undoes it when it is dropped:
//!
//! | value | a drop without finishing it |
//! |---|---|
//! | [`Incomplete`] | moves the file to `invalid/`; removes it if its bytes were verified, or nothing can be learned from it |
//! | [`StagedDigests`] | removes the digests |
//! | [`UnlinkedFile`] | closes the file, by which its space is freed |
//! | a guard of a lock | releases the lock |
//!
//! # Digests
//!
//! Each cached image may have [block digests](integrity), published just before it. They are an aid, never a condition: digests that
//! are missing, torn or another file's are built again, and an image is never lost with them.
//!
//! # Locks
//!
//! Three kinds, taken in this order: an image's lock, the directory's lock, a file's lock. The module of the image locks
//! (`directory/image_lock.rs`) says which guards what, and why the order cannot deadlock. Methods that need the directory's lock
//! say "call with the directory locked".
//!
//! # What a crash leaves
//!
//! | a crash | leaves | which is |
//! |---|---|---|
//! | while an image is written | `incomplete/ID` without a lock | replaced by the next writer, else cleaned |
//! | before an image is published | a record, perhaps digests | removed when the cache is opened |
//! | between the two steps of a rename that cannot replace | both names of one file | cached; the other name is cleaned |
//! | while an image is removed | a record without a file | removed when the cache is opened |
//! | while a small file or digests are written | a file under a temporary name | removed when the folder is opened, or swept |
//!
//! With [`Durability::Full`](image_cache_model::Durability::Full) a power loss leaves the same as a crash: the file and its digests
//! are flushed before the rename, and the directory after it. Without it an image may be lost or damaged, and its digests show that.
//!
//! # Hostile directories
//!
//! The owner of the directory may put anything into it while root has it open. No link is followed, no file is opened by a path, no
//! call blocks on a pipe, and nothing outside the base directory is read, written or given away.

#![deny(missing_docs)]

mod directory;
pub mod integrity;
pub mod md5;
pub mod sync;

pub use directory::*;
