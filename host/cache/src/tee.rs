//! The tee reader: passes a source's bytes to its reader and to a fill, and withholds the last byte until the fill has verified
//! the image.

use crate::error::{Error, Result};
use crate::fill::Fill;
use crate::outcome::Outcome;
use crate::single_flight::Holding;
use crate::withheld::{Withheld, readable};
use image_cache_store::image_hasher::WRITE_BLOCK;
use std::io::{self, Read};

/// Reads a source and fills the cache at the same time; see [`ImageCache::caching_reader`](crate::ImageCache::caching_reader).
///
/// It ends only after a complete, verified image. If the bytes are not the expected ones, it returns an error of kind
/// [`InvalidData`](io::ErrorKind::InvalidData) with an [`Error`](crate::Error) inside, instead of the last byte. After an error,
/// all further reads fail. If it is dropped before its end, the image is not cached, and the bytes that had arrived are
/// moved to `invalid/`.
pub struct CachingReader<R> {
    source: R,
    state: TeeState,
    withheld: Withheld<u8>,
}

enum TeeState {
    Running(Box<Fill>),
    Ended(Outcome),
    Failed(io::ErrorKind),
}

impl<R: Read> CachingReader<R> {
    /// Continues at the fill's position; `last` is the byte before it, which was withheld.
    pub(crate) fn new(source: R, fill: Fill, last: Option<u8>) -> Self {
        let (state, withheld) = (TeeState::Running(Box::new(fill)), Withheld::new(last));
        CachingReader { source, state, withheld }
    }

    /// The outcome for the image, after the end was reached.
    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.state {
            TeeState::Ended(outcome) => Some(outcome),
            TeeState::Running(_) | TeeState::Failed(_) => None,
        }
    }

    /// The source at its current position. Before the end nothing is cached.
    pub fn into_source(self) -> R {
        self.source
    }

    fn fail(&mut self, error: io::Error) -> io::Error {
        if let TeeState::Running(fill) = &mut self.state {
            fill.reject(&error);
        }
        self.state = TeeState::Failed(error.kind());
        error
    }

    /// The source has ended: verifies, and then returns the withheld byte.
    fn end(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let TeeState::Running(fill) =
            std::mem::replace(&mut self.state, TeeState::Failed(io::ErrorKind::Other))
        else {
            return Ok(0);
        };
        match fill.finish() {
            Ok(outcome) => self.state = TeeState::Ended(outcome),
            Err(error) => return Err(self.fail(error.into())),
        }
        Ok(self.release_last(buf))
    }

    fn release_last(&mut self, buf: &mut [u8]) -> usize {
        match self.withheld.release() {
            Some(byte) => {
                buf[0] = byte;
                1
            }
            None => 0,
        }
    }
}

impl<R: Read> Read for CachingReader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        if let TeeState::Running(fill) = &self.state
            && let Err(error) = fill.check_process()
        {
            return Err(self.fail(error.into()));
        }
        loop {
            let fill = match &mut self.state {
                TeeState::Running(fill) => fill,
                TeeState::Ended(_) => return Ok(self.release_last(buf)),
                TeeState::Failed(kind) => {
                    return Err(Error::ReaderFailed { kind: *kind }.into());
                }
            };
            // The withheld byte comes first, if the buffer has room for more.
            let start = usize::from(self.withheld.is_some());
            let mut one = [0];
            let room = if buf.len() > start { &mut buf[start..] } else { &mut one[..] };
            let holding = Holding::start(&**fill.progress());
            let read = read_checked(&mut self.source, room);
            drop(holding);
            let count = match read {
                Ok(0) => return self.end(buf),
                Ok(count) => count,
                Err(error) if Error::asks_to_read_again(&error) => {
                    return Err(Error::of_waiting_source(fill.image_id(), error));
                }
                Err(error) => return Err(self.fail(error)),
            };
            let last = room[count - 1];
            if let Err(error) = fill.push(&room[..count]) {
                return Err(self.fail(error.into()));
            }
            if let Some(byte) = self.withheld.exchange(last) {
                buf[0] = byte;
            }
            let delivered = readable((start + count) as u64, false) as usize;
            if delivered > 0 {
                return Ok(delivered);
            }
        }
    }
}

/// Reads from a source, which must not return a larger count than the buffer's size.
fn read_checked(source: &mut impl Read, room: &mut [u8]) -> io::Result<usize> {
    match source.read(room)? {
        count if count <= room.len() => Ok(count),
        _ => Err(io::Error::other("the source returned a larger count than the buffer's size")),
    }
}

/// Reads a source to its end only to fill the cache; reads nothing if nothing will be cached.
pub(crate) fn drain<R: Read>(mut source: R, mut fill: Fill) -> Result<Outcome> {
    let mut buffer = vec![0; WRITE_BLOCK];
    loop {
        if let Some(outcome) = fill.bypass_reason() {
            return Ok(outcome.clone());
        }
        let holding = Holding::start(&**fill.progress());
        let read = source.read(&mut buffer);
        drop(holding);
        match read {
            Ok(0) => return fill.finish(),
            Ok(count) if count > buffer.len() => {
                let source = io::Error::other("it returned a larger count than the buffer's size");
                return Err(source_failed(fill, source));
            }
            Ok(count) => fill.push(&buffer[..count])?,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(source_failed(fill, source)),
        }
    }
}

fn source_failed(mut fill: Fill, source: io::Error) -> Error {
    fill.reject(&source);
    Error::source_failed(fill.image_id())(source)
}
