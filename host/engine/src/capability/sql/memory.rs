//! Limits SQLite's memory for a guest's statement. SQLite counts memory per process, so the count includes what other
//! statements allocate meanwhile: a small statement may be refused because of a large one, and can be retried.

use rusqlite::ffi;
use std::sync::{Mutex, PoisonError};

/// Maximum memory for preparing a statement, in bytes. Nothing interrupts preparing, and a short text can produce a large tree:
/// common tables and views are copied wherever they are named.
const PREPARING: i64 = 4 << 20;

/// Maximum memory for running a statement, in bytes: sorted, grouped or temporary data is never written to a file.
const RUNNING: i64 = 16 << 20;

/// The limit is per process: one statement at a time is prepared under it.
static PREPARE: Mutex<()> = Mutex::new(());

/// Whether the memory allocated since `before` exceeds the limit of a statement.
pub(super) fn is_exceeded(before: i64) -> bool {
    used().saturating_sub(before) > RUNNING
}

/// Prepares a statement: SQLite reports that it is out of memory if that needs too much.
pub(super) fn preparing<T>(prepare: impl FnOnce() -> T) -> T {
    let _one_at_a_time = PREPARE.lock().unwrap_or_else(PoisonError::into_inner);
    let _limit = HeapLimit::set(used().saturating_add(PREPARING));
    prepare()
}

/// SQLite's hard limit on its memory. When this is dropped, the previous limits apply again.
struct HeapLimit {
    hard: i64,
    soft: i64,
}

impl HeapLimit {
    fn set(bytes: i64) -> Self {
        // SAFETY: these take and return only numbers, under SQLite's own lock; a negative number only queries.
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

/// The memory that SQLite has allocated in this process, in bytes.
pub(super) fn used() -> i64 {
    // SAFETY: it returns a number, under SQLite's own lock.
    unsafe { ffi::sqlite3_memory_used() }
}

/// The most memory that SQLite ever allocated in this process, in bytes.
#[cfg(test)]
pub(super) fn peak() -> i64 {
    // SAFETY: it returns a number, under SQLite's own lock; 0 does not reset the maximum.
    unsafe { ffi::sqlite3_memory_highwater(0) }
}
