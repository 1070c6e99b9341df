//! How much memory SQLite may take for a guest's statement. SQLite counts for the whole process, so what others take
//! meanwhile is counted along: an honest statement may be refused beside one that is not, and may be tried again.

use rusqlite::ffi;
use std::sync::{Mutex, PoisonError};

/// Bytes that preparing a statement may take. Nothing interrupts it, and a short text can stand for a large tree: common
/// tables and views are copied wherever they are named.
const PREPARING: i64 = 4 << 20;

/// Bytes that running it may take: what is sorted, grouped or kept aside never goes to a file.
const RUNNING: i64 = 16 << 20;

/// The limit is the process's: one statement at a time is prepared under it.
static PREPARE: Mutex<()> = Mutex::new(());

/// Whether more was taken than a statement may take since SQLite had taken `before`.
pub(super) fn is_exceeded(before: i64) -> bool {
    used().saturating_sub(before) > RUNNING
}

/// Prepares a statement: SQLite answers that it is out of memory if that takes too much.
pub(super) fn preparing<T>(prepare: impl FnOnce() -> T) -> T {
    let _one_at_a_time = PREPARE.lock().unwrap_or_else(PoisonError::into_inner);
    let _limit = HeapLimit::set(used().saturating_add(PREPARING));
    prepare()
}

/// SQLite's hard limit on its memory, until it is dropped; then the limits are again what they were.
struct HeapLimit {
    hard: i64,
    soft: i64,
}

impl HeapLimit {
    fn set(bytes: i64) -> Self {
        // SAFETY: these take and answer numbers only, under a lock of SQLite's own; a negative one only asks.
        unsafe {
            let (hard, soft) =
                (ffi::sqlite3_hard_heap_limit64(-1), ffi::sqlite3_soft_heap_limit64(-1));
            if hard <= 0 || hard > bytes {
                ffi::sqlite3_hard_heap_limit64(bytes);
            }
            HeapLimit { hard, soft }
        }
    }
}

impl Drop for HeapLimit {
    fn drop(&mut self) {
        // SAFETY: as above. The soft limit follows the hard one down, and is set again after it.
        unsafe {
            ffi::sqlite3_hard_heap_limit64(self.hard);
            ffi::sqlite3_soft_heap_limit64(self.soft);
        }
    }
}

/// Bytes that SQLite has taken in this process.
pub(super) fn used() -> i64 {
    // SAFETY: it answers a number, under a lock of SQLite's own.
    unsafe { ffi::sqlite3_memory_used() }
}

/// The most that SQLite ever had taken in this process.
#[cfg(test)]
pub(super) fn peak() -> i64 {
    // SAFETY: it answers a number, under a lock of SQLite's own; 0 leaves the mark where it is.
    unsafe { ffi::sqlite3_memory_highwater(0) }
}
