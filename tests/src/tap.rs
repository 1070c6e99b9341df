//! A source that gives as much as it was allowed to, and tells who asked for it.

use std::io::{self, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

/// An image in a slow store, and a hand on the tap.
#[derive(Clone)]
pub struct Tap {
    store: Arc<Store>,
}

struct Store {
    bytes: Vec<u8>,
    allowed: Mutex<Allowed>,
    turned: Condvar,
    opened: AtomicUsize,
    given: AtomicUsize,
    running: AtomicUsize,
}

/// How far it is open, and what stands there.
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

impl Tap {
    /// Closed: nothing comes yet.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Tap {
        Tap {
            store: Arc::new(Store {
                bytes: bytes.into(),
                allowed: Mutex::new(Allowed { bytes: 0, then: Then::Wait }),
                turned: Condvar::new(),
                opened: AtomicUsize::new(0),
                given: AtomicUsize::new(0),
                running: AtomicUsize::new(0),
            }),
        }
    }

    /// All of it comes.
    pub fn open(bytes: impl Into<Vec<u8>>) -> Tap {
        let tap = Tap::new(bytes);
        tap.finish();
        tap
    }

    /// The first `bytes` come, and then nothing for now.
    pub fn allow(&self, bytes: usize) {
        self.turn(bytes, Then::Wait);
    }

    /// All comes, and the end.
    pub fn finish(&self) {
        self.turn(usize::MAX, Then::End);
    }

    /// After what was allowed comes this error of the system.
    pub fn fail(&self, code: i32) {
        self.turn_there(Then::Fail(code));
    }

    /// After what was allowed it panics.
    pub fn panic(&self) {
        self.turn_there(Then::Panic);
    }

    /// What opens it, once.
    pub fn fetch(&self) -> impl FnOnce() -> io::Result<Flow> + Send + 'static + use<> {
        let store = Arc::clone(&self.store);
        move || {
            store.opened.fetch_add(1, Ordering::Relaxed);
            store.running.fetch_add(1, Ordering::Relaxed);
            Ok(Flow { store, given: 0 })
        }
    }

    /// How often it was opened.
    pub fn opened(&self) -> usize {
        self.store.opened.load(Ordering::Relaxed)
    }

    /// How many bytes it gave, to all together.
    pub fn given(&self) -> usize {
        self.store.given.load(Ordering::Relaxed)
    }

    /// How many have opened it and not let go.
    pub fn running(&self) -> usize {
        self.store.running.load(Ordering::Relaxed)
    }

    fn turn(&self, bytes: usize, then: Then) {
        *self.lock() = Allowed { bytes: bytes.min(self.store.bytes.len()), then };
        self.store.turned.notify_all();
    }

    fn turn_there(&self, then: Then) {
        self.lock().then = then;
        self.store.turned.notify_all();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Allowed> {
        self.store.allowed.lock().expect("nobody panics with the tap in hand")
    }
}

/// What comes out of it.
pub struct Flow {
    store: Arc<Store>,
    given: usize,
}

impl Read for Flow {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let store = &self.store;
        let mut allowed = store.allowed.lock().expect("nobody panics with the tap in hand");
        while allowed.bytes <= self.given {
            match allowed.then {
                Then::Wait => {}
                Then::End => return Ok(0),
                Then::Fail(code) => return Err(io::Error::from_raw_os_error(code)),
                Then::Panic => {
                    drop(allowed);
                    panic!("this source panics, as ordered");
                }
            }
            allowed = store.turned.wait(allowed).expect("nobody panics with the tap in hand");
        }
        let count = buf.len().min(allowed.bytes - self.given);
        buf[..count].copy_from_slice(&store.bytes[self.given..self.given + count]);
        self.given += count;
        store.given.fetch_add(count, Ordering::Relaxed);
        Ok(count)
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        self.store.running.fetch_sub(1, Ordering::Relaxed);
    }
}
