//! The tee reader for streams: passes a source's chunks to a fill, and one chunk later to its reader.

use super::background_fill::BackgroundFill;
use super::stream::ImageStream;
use crate::single_flight::SourcePoll;
use crate::withheld::Withheld;
use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;

/// The chunks of a source that fills the cache at the same time. The source must be at the fill's position; `last` is the chunk
/// before it, which was withheld.
pub(super) fn tee<S>(source: S, filling: BackgroundFill, last: Option<Bytes>) -> ImageStream
where
    S: Stream<Item = io::Result<Bytes>> + Send + 'static,
{
    let tee = TeeStream {
        source: Box::pin(source),
        filling: Some(filling),
        withheld: Withheld::new(last),
    };
    Box::pin(stream::try_unfold(tee, TeeStream::next))
}

struct TeeStream<S> {
    source: Pin<Box<S>>,
    filling: Option<BackgroundFill>,
    withheld: Withheld<Bytes>,
}

impl<S: Stream<Item = io::Result<Bytes>>> TeeStream<S> {
    async fn next(mut self) -> io::Result<Option<(Bytes, Self)>> {
        loop {
            let Some(filling) = &mut self.filling else { return Ok(None) };
            let (source, progress) = (&mut self.source, filling.progress());
            let next = poll_fn(|context| {
                let _polling = SourcePoll::start(progress);
                source.poll_next_unpin(context)
            });
            let next = next.await;
            match next {
                Some(Ok(chunk)) if chunk.is_empty() => {}
                Some(Ok(chunk)) => {
                    filling.push(chunk.clone()).await?;
                    if let Some(ready) = self.withheld.exchange(chunk) {
                        return Ok(Some((ready, self)));
                    }
                }
                Some(Err(error)) => {
                    filling.reject(&error).await;
                    return Err(error);
                }
                None => {
                    if let Some(filling) = self.filling.take() {
                        filling.finish().await?;
                    }
                    return Ok(self.withheld.release().map(|last| (last, self)));
                }
            }
        }
    }
}
