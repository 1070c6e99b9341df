//! Limits SQLite's memory for a guest's statement.
//!
//! SQLite counts its memory for the whole process, so one statement's memory would count against all others, those of the embedding
//! program included. A statement runs on one thread, so this module counts by thread: SQLite gets its memory through functions
//! that count, and that refuse what exceeds the thread's limit. SQLite takes such functions only before it is used for the
//! first time. If the embedding program has used it before, SQLite's own limit applies, which is for the whole process: a small
//! statement may then be refused because of a large one, and can be retried.

use image_cache_store::process::PerProcess;
use image_cache_store::sync::lock;
use rusqlite::ffi;
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::sync::{Mutex, OnceLock};

/// Maximum memory for preparing a statement, in bytes. Nothing interrupts preparing, and a short text can produce a large tree:
/// common tables and views are copied wherever they are named.
const PREPARING: i64 = 4 << 20;

/// Maximum memory for running a statement, in bytes: sorted, grouped or temporary data is never written to a file.
const RUNNING: i64 = 16 << 20;

thread_local! {
    /// What SQLite has allocated on this thread minus what it has freed, in bytes. Only differences have a meaning: memory can be
    /// freed on another thread.
    static USED: Cell<i64> = const { Cell::new(0) };
    /// The largest value of `USED` that is permitted.
    static MOST: Cell<i64> = const { Cell::new(i64::MAX) };
}

/// SQLite's own functions for memory.
struct Allocator {
    malloc: unsafe extern "C" fn(c_int) -> *mut c_void,
    free: unsafe extern "C" fn(*mut c_void),
    realloc: unsafe extern "C" fn(*mut c_void, c_int) -> *mut c_void,
    size: unsafe extern "C" fn(*mut c_void) -> c_int,
}

static ALLOCATOR: OnceLock<Allocator> = OnceLock::new();

/// Has SQLite count its memory by thread; false if the process has already used SQLite. Call it before SQLite is used.
pub(super) fn count_by_thread() -> bool {
    static IS_COUNTED: OnceLock<bool> = OnceLock::new();
    *IS_COUNTED.get_or_init(|| install().is_some() && is_counting())
}

/// Whether SQLite really uses the functions: a thread that started to use it at the same moment may have replaced them.
fn is_counting() -> bool {
    let before = USED.get();
    // SAFETY: it returns memory or null, which `sqlite3_free` takes.
    unsafe {
        let memory = ffi::sqlite3_malloc(64);
        let is_counting = USED.get() != before;
        ffi::sqlite3_free(memory);
        is_counting
    }
}

fn install() -> Option<()> {
    // SAFETY: `sqlite3_config` reads and writes one `sqlite3_mem_methods`, which is valid with null for each function, and does
    // nothing if SQLite is in use. The new functions return memory of the old ones unchanged, so memory of either kind may be
    // passed to either, even if another thread starts to use SQLite at this moment.
    unsafe {
        let mut methods: ffi::sqlite3_mem_methods = std::mem::zeroed();
        let known = ffi::sqlite3_config(ffi::SQLITE_CONFIG_GETMALLOC, &raw mut methods);
        if known != ffi::SQLITE_OK {
            return None;
        }
        let allocator = Allocator {
            malloc: methods.xMalloc?,
            free: methods.xFree?,
            realloc: methods.xRealloc?,
            size: methods.xSize?,
        };
        ALLOCATOR.set(allocator).ok()?;
        methods.xMalloc = Some(malloc);
        methods.xFree = Some(free);
        methods.xRealloc = Some(realloc);
        let set = ffi::sqlite3_config(ffi::SQLITE_CONFIG_MALLOC, &raw mut methods);
        (set == ffi::SQLITE_OK).then_some(())
    }
}

/// Whether this thread may allocate so many bytes more.
fn has_room(more: i64) -> bool {
    USED.get().saturating_add(more) <= MOST.get()
}

fn count(more: i64) {
    USED.set(USED.get().saturating_add(more));
}

/// # Safety
/// As SQLite's own function.
unsafe extern "C" fn malloc(size: c_int) -> *mut c_void {
    let Some(allocator) = ALLOCATOR.get().filter(|_| has_room(size.into())) else {
        return std::ptr::null_mut();
    };
    // SAFETY: the caller's. `size` takes any result of `malloc` but null.
    unsafe {
        let memory = (allocator.malloc)(size);
        if !memory.is_null() {
            count((allocator.size)(memory).into());
        }
        memory
    }
}

/// # Safety
/// As SQLite's own function.
unsafe extern "C" fn free(memory: *mut c_void) {
    let Some(allocator) = ALLOCATOR.get().filter(|_| !memory.is_null()) else { return };
    // SAFETY: the caller's.
    unsafe {
        count(-i64::from((allocator.size)(memory)));
        (allocator.free)(memory);
    }
}

/// # Safety
/// As SQLite's own function.
unsafe extern "C" fn realloc(memory: *mut c_void, size: c_int) -> *mut c_void {
    let Some(allocator) = ALLOCATOR.get() else { return std::ptr::null_mut() };
    // SAFETY: the caller's. SQLite never passes null here.
    unsafe {
        let before = i64::from((allocator.size)(memory));
        if !has_room(i64::from(size) - before) {
            return std::ptr::null_mut();
        }
        let memory = (allocator.realloc)(memory, size);
        if !memory.is_null() {
            count(i64::from((allocator.size)(memory)) - before);
        }
        memory
    }
}

/// Whether the memory allocated since `before` exceeds the limit of a statement.
pub(super) fn is_exceeded(before: i64) -> bool {
    used().saturating_sub(before) > RUNNING
}

/// Prepares a statement: SQLite reports that it is out of memory if that needs too much.
pub(super) fn preparing<T>(prepare: impl FnOnce() -> T) -> T {
    if count_by_thread() {
        let _limit = ThreadLimit::set(USED.get().saturating_add(PREPARING));
        return prepare();
    }
    /// The limit is for the process: one statement at a time is prepared under it.
    static PREPARE: PerProcess<Mutex<()>> = PerProcess::new();
    let _one_at_a_time = lock(PREPARE.get());
    let _limit = HeapLimit::set(used().saturating_add(PREPARING));
    prepare()
}

/// This thread's limit. When this is dropped, the thread has none.
struct ThreadLimit;

impl ThreadLimit {
    fn set(bytes: i64) -> Self {
        MOST.set(bytes);
        ThreadLimit
    }
}

impl Drop for ThreadLimit {
    fn drop(&mut self) {
        MOST.set(i64::MAX);
    }
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

/// The memory that SQLite has allocated, in bytes: on this thread, or in this process.
pub(super) fn used() -> i64 {
    if count_by_thread() {
        return USED.get();
    }
    // SAFETY: it returns a number, under SQLite's own lock.
    unsafe { ffi::sqlite3_memory_used() }
}

/// The most memory that SQLite ever allocated in this process, in bytes.
#[cfg(test)]
pub(super) fn peak() -> i64 {
    // SAFETY: it returns a number, under SQLite's own lock; 0 does not reset the maximum.
    unsafe { ffi::sqlite3_memory_highwater(0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;

    /// Allocates 8 MB.
    const LARGE: &str = "SELECT length(CAST(zeroblob(8000000) AS TEXT) || 'x')";

    fn run(connection: &Connection) -> rusqlite::Result<i64> {
        connection.query_row(LARGE, [], |row| row.get(0))
    }

    #[test]
    fn a_limit_applies_to_its_thread_only_and_ends() {
        assert!(count_by_thread(), "a test has used SQLite before");
        let mine = Connection::open_in_memory().expect("a database");
        let used = USED.get();
        preparing(|| {
            let error = run(&mine).expect_err("it needs too much memory");
            assert_eq!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::OutOfMemory));
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let other = Connection::open_in_memory().expect("a database");
                    run(&other).expect("the limit is another thread's");
                });
            });
        });
        run(&mine).expect("the limit has ended");
        drop(mine);
        assert!(USED.get() <= used, "everything was freed: {} of {used}", USED.get());
    }
}
