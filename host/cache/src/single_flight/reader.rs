//! Reads an image from the cache, from a running fetch, or from the source.

use super::follower::Follower;
use super::progress_info::Route;
use super::reader_state::{Action, ReaderState, SourceNeed, SourceToken};
use super::request::Request;
use super::shared_fetch::{LazySource, OpenSource, SharedFetch};
use crate::error::{Error, Result};
use crate::hits::PendingHit;
use crate::outcome::Outcome;
use crate::tee::CachingReader;
use std::io::Read;
use std::sync::Arc;
use std::{fmt, io};

/// Reads an image that is cached or being fetched, or fetches it; see
/// [`ImageCache::get_or_fetch`](crate::ImageCache::get_or_fetch).
///
/// It ends only after a complete, verified image; the last byte is withheld until the verification. After an error, all further
/// reads fail. A drop before the end counts no hit and does not affect other readers.
pub struct FetchReader {
    state: ReaderState<CachingReader<LazySource>>,
    fetch: Option<OpenSource>,
    /// The fetch that this reader started, whose source it takes if the cache fails.
    own_fetch: Option<Arc<SharedFetch>>,
    ended: ReaderEnd,
    image_size: Option<u64>,
}

enum ReaderEnd {
    No,
    With(Outcome),
    Failed(io::ErrorKind),
}

impl FetchReader {
    pub(crate) fn open(request: Request, fetch: Option<OpenSource>) -> Result<Option<Self>> {
        let image_id = request.image_id.clone();
        let state = ReaderState::new(request, fetch.is_some());
        let mut reader =
            FetchReader { state, fetch, own_fetch: None, ended: ReaderEnd::No, image_size: None };
        let Some(action) = reader.state.begin() else { return Ok(None) };
        let acted = action.and_then(|action| reader.act(action, &mut []));
        acted.map_err(|error| Error::of_reader(&image_id, error))?;
        reader.image_size = reader.state.image_size();
        Ok(Some(reader))
    }

    /// Where it found the image when it was opened.
    pub fn route(&self) -> Route {
        self.state.route()
    }

    /// Bytes of the whole image, if known at opening: from the cache, or from the expected size of the reader that started the
    /// fetch.
    pub fn image_size(&self) -> Option<u64> {
        self.image_size
    }

    /// The outcome for the image, after the end was reached: [`AlreadyCached`](Outcome::AlreadyCached) if it was cached, or
    /// another process cached it.
    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.ended {
            ReaderEnd::With(outcome) => Some(outcome),
            ReaderEnd::No => self.state.source().and_then(CachingReader::outcome),
            ReaderEnd::Failed(_) => None,
        }
    }

    /// Executes the action; the number of bytes, or `None` if the caller must call again.
    fn act(&mut self, action: Action, buf: &mut [u8]) -> io::Result<Option<usize>> {
        match action {
            Action::Bytes(range, hit) => {
                let count = range.len();
                buf.copy_within(range, 0);
                hit.into_iter().for_each(PendingHit::count);
                return Ok(Some(count));
            }
            Action::End(outcome, hit) => {
                hit.into_iter().for_each(PendingHit::count);
                self.ended = ReaderEnd::With(outcome);
                return Ok(Some(0));
            }
            Action::Again => {}
            Action::Wait => self.state.follower().map_or(Ok(()), Follower::wait)?,
            Action::ReadSource => {
                let Some(source) = self.state.own_source() else { return Ok(None) };
                let count = source.read(buf)?;
                let known = self.state.compare(&buf[..count])?;
                buf.copy_within(known..count, 0);
                return Ok((count == 0 || known < count).then_some(count - known));
            }
            Action::NeedSource(need, token) => self.attach_source(need, token)?,
        }
        Ok(None)
    }

    fn attach_source(&mut self, need: SourceNeed, token: SourceToken) -> io::Result<()> {
        let gone = || io::Error::other("its source is not available");
        let fill = match need {
            SourceNeed::Fetch(fill) => *fill,
            SourceNeed::Resume(withheld) => {
                let source = self.own_fetch.take().and_then(|fetch| fetch.take());
                let (source, fill) = source.ok_or_else(gone)?;
                let source = CachingReader::new(source, fill, withheld);
                token.attach(&mut self.state, source);
                return Ok(());
            }
        };
        let fetch = self.fetch.take().ok_or_else(gone)?;
        if fill.bypass_reason().is_some() {
            token.attach(&mut self.state, CachingReader::new(LazySource::new(fetch), fill, None));
            return Ok(());
        }
        let request = self.state.request();
        let own_fetch = SharedFetch::start(fetch, fill, request.inner.config().fetch_to_end);
        let progress = Arc::clone(own_fetch.progress());
        self.own_fetch = Some(Arc::clone(&own_fetch));
        let follower = Follower::of_own(request, progress, Some(own_fetch));
        token.attach_shared(&mut self.state, follower);
        Ok(())
    }
}

impl fmt::Debug for FetchReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchReader")
            .field("image_id", &self.state.request().image_id)
            .field("route", &self.route())
            .finish_non_exhaustive()
    }
}

impl Read for FetchReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        let request = self.state.request();
        request.inner.check_process(&request.image_id)?;
        match &self.ended {
            ReaderEnd::No => {}
            ReaderEnd::With(_) => return Ok(0),
            ReaderEnd::Failed(kind) => {
                return Err(Error::ReaderFailed { kind: *kind }.into());
            }
        }
        loop {
            let acted = self.state.step(buf).and_then(|action| self.act(action, buf));
            match acted.transpose() {
                Some(Ok(count)) => return Ok(count),
                None => {}
                Some(Err(error)) => {
                    if !Error::asks_to_read_again(&error) {
                        self.ended = ReaderEnd::Failed(error.kind());
                    }
                    return Err(error);
                }
            }
        }
    }
}
