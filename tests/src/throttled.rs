//! A throttled source: it returns as many bytes as the test has allowed, and counts its readers.

use std::io::{self, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

/// An image in a store whose speed the test controls.
#[derive(Clone)]
pub struct ThrottledSource {
    store: Arc<Store>,
}

struct Store {
    bytes: Vec<u8>,
    allowed: Mutex<Allowed>,
    changed: Condvar,
    opened: AtomicUsize,
    given: AtomicUsize,
    running: AtomicUsize,
}

/// The number of allowed bytes, and what happens after them.
struct Allowed {
    bytes: usize,
    then: Then,
}

#[derive(Clone, Copy)]
enum Then {
    Wait,
    End,
    Fail(i32),
    Panic,
}

impl ThrottledSource {
    /// A source that returns no bytes yet.
    pub fn new(bytes: impl Into<Vec<u8>>) -> ThrottledSource {
        ThrottledSource {
            store: Arc::new(Store {
                bytes: bytes.into(),
                allowed: Mutex::new(Allowed { bytes: 0, then: Then::Wait }),
                changed: Condvar::new(),
                opened: AtomicUsize::new(0),
                given: AtomicUsize::new(0),
                running: AtomicUsize::new(0),
            }),
        }
    }

    /// A source that returns all bytes.
    pub fn unlimited(bytes: impl Into<Vec<u8>>) -> ThrottledSource {
        let throttled = ThrottledSource::new(bytes);
        throttled.finish();
        throttled
    }

    /// Allows the first `bytes`; further reads wait.
    pub fn allow(&self, bytes: usize) {
        self.set(bytes, Then::Wait);
    }

    /// Allows all bytes and the end.
    pub fn finish(&self) {
        self.set(usize::MAX, Then::End);
    }

    /// After the allowed bytes, reads fail with this system error.
    pub fn fail(&self, code: i32) {
        self.set_then(Then::Fail(code));
    }

    /// After the allowed bytes, reads panic.
    pub fn panic(&self) {
        self.set_then(Then::Panic);
    }

    /// A function that opens it once.
    pub fn fetch(&self) -> impl FnOnce() -> io::Result<ThrottledReader> + Send + 'static + use<> {
        let store = Arc::clone(&self.store);
        move || {
            store.opened.fetch_add(1, Ordering::Relaxed);
            store.running.fetch_add(1, Ordering::Relaxed);
            Ok(ThrottledReader { store, given: 0 })
        }
    }

    /// The number of times that it was opened.
    pub fn opened(&self) -> usize {
        self.store.opened.load(Ordering::Relaxed)
    }

    /// The number of bytes that all readers got.
    pub fn given(&self) -> usize {
        self.store.given.load(Ordering::Relaxed)
    }

    /// The number of readers that are open.
    pub fn running(&self) -> usize {
        self.store.running.load(Ordering::Relaxed)
    }

    fn set(&self, bytes: usize, then: Then) {
        *self.lock() = Allowed { bytes: bytes.min(self.store.bytes.len()), then };
        self.store.changed.notify_all();
    }

    fn set_then(&self, then: Then) {
        self.lock().then = then;
        self.store.changed.notify_all();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Allowed> {
        self.store.allowed.lock().expect("no thread panics with the lock held")
    }
}

/// A reader of the source.
pub struct ThrottledReader {
    store: Arc<Store>,
    given: usize,
}

impl Read for ThrottledReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let store = &self.store;
        let mut allowed = store.allowed.lock().expect("no thread panics with the lock held");
        while allowed.bytes <= self.given {
            match allowed.then {
                Then::Wait => {}
                Then::End => return Ok(0),
                Then::Fail(code) => return Err(io::Error::from_raw_os_error(code)),
                Then::Panic => {
                    drop(allowed);
                    panic!("this source panics, as configured");
                }
            }
            allowed = store.changed.wait(allowed).expect("no thread panics with the lock held");
        }
        let count = buf.len().min(allowed.bytes - self.given);
        buf[..count].copy_from_slice(&store.bytes[self.given..self.given + count]);
        self.given += count;
        store.given.fetch_add(count, Ordering::Relaxed);
        Ok(count)
    }
}

impl Drop for ThrottledReader {
    fn drop(&mut self) {
        self.store.running.fetch_sub(1, Ordering::Relaxed);
    }
}
