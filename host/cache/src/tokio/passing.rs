//! The passing reader for streams: hands a source's chunks to its reader and to a fill, one chunk late.

use super::filling::Filling;
use super::stream::ImageStream;
use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use std::io;
use std::pin::Pin;

/// The chunks of a source that fills the cache by the way. Where it stands is where the fill has come to; `held` came
/// before, and was not handed out yet.
pub(super) fn stream<S>(source: S, filling: Filling, held: Option<Bytes>) -> ImageStream
where
    S: Stream<Item = io::Result<Bytes>> + Send + 'static,
{
    let passing = Passing { source: Box::pin(source), filling: Some(filling), held };
    Box::pin(stream::try_unfold(passing, Passing::next))
}

struct Passing<S> {
    source: Pin<Box<S>>,
    filling: Option<Filling>,
    /// The last chunk that came: nobody may take the image for whole before it was verified.
    held: Option<Bytes>,
}

impl<S: Stream<Item = io::Result<Bytes>>> Passing<S> {
    async fn next(mut self) -> io::Result<Option<(Bytes, Self)>> {
        loop {
            let Some(filling) = &mut self.filling else { return Ok(None) };
            match self.source.next().await {
                Some(Ok(chunk)) if chunk.is_empty() => {}
                Some(Ok(chunk)) => {
                    filling.push(chunk.clone()).await?;
                    if let Some(ready) = self.held.replace(chunk) {
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
                    return Ok(self.held.take().map(|last| (last, self)));
                }
            }
        }
    }
}
