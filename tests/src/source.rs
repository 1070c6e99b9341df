//! A source of an image's bytes with scripted behaviour.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Returns bytes in chunks, and ends as configured.
pub struct Source {
    bytes: Vec<u8>,
    given: usize,
    chunk: usize,
    interrupted: Option<bool>,
    end: End,
    reads: Arc<AtomicUsize>,
    most_asked: Arc<AtomicUsize>,
}

enum End {
    Clean,
    Error(Box<dyn FnMut() -> io::Error + Send>),
    Panic,
    Lie,
    Then(Option<Box<dyn FnOnce() + Send>>),
}

impl Source {
    /// All of these bytes, in one chunk if the reader requests that, then a clean end.
    pub fn of(bytes: impl Into<Vec<u8>>) -> Source {
        Source {
            bytes: bytes.into(),
            given: 0,
            chunk: usize::MAX,
            interrupted: None,
            end: End::Clean,
            reads: Arc::default(),
            most_asked: Arc::default(),
        }
    }

    /// At most this many bytes at a time.
    pub fn in_chunks(mut self, chunk: usize) -> Source {
        self.chunk = chunk;
        self
    }

    /// Every other read is interrupted, the first one too.
    pub fn interrupted(mut self) -> Source {
        self.interrupted = Some(false);
        self
    }

    /// Fails at the end of the bytes.
    pub fn then_fails(mut self, error: impl FnMut() -> io::Error + Send + 'static) -> Source {
        self.end = End::Error(Box::new(error));
        self
    }

    /// Panics at the end of the bytes.
    pub fn then_panics(mut self) -> Source {
        self.end = End::Panic;
        self
    }

    /// At the end of the bytes, claims to have written more bytes than fit into the buffer.
    pub fn then_lies(mut self) -> Source {
        self.end = End::Lie;
        self
    }

    /// Calls a function once at the end of the bytes, and then ends cleanly.
    pub fn then(mut self, act: impl FnOnce() + Send + 'static) -> Source {
        self.end = End::Then(Some(Box::new(act)));
        self
    }

    /// The number of reads.
    pub fn reads(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.reads)
    }

    /// The largest number of bytes that a read requested.
    pub fn most_asked(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.most_asked)
    }

    fn end(&mut self, room: usize) -> io::Result<usize> {
        match &mut self.end {
            End::Clean => Ok(0),
            End::Error(error) => Err(error()),
            End::Panic => panic!("this source panics, as configured"),
            End::Lie => Ok(room + 1),
            End::Then(act) => {
                if let Some(act) = act.take() {
                    act();
                }
                Ok(0)
            }
        }
    }
}

impl Read for Source {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.most_asked.fetch_max(buf.len(), Ordering::Relaxed);
        if let Some(interrupted) = &mut self.interrupted {
            *interrupted = !*interrupted;
            if *interrupted {
                return Err(io::ErrorKind::Interrupted.into());
            }
        }
        let count = buf.len().min(self.chunk).min(self.bytes.len() - self.given);
        if count == 0 {
            return self.end(buf.len());
        }
        buf[..count].copy_from_slice(&self.bytes[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}
