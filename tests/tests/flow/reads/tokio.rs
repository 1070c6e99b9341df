//! The library for tokio, on a runtime with one thread.

use super::{Reader, Reads, Store};
use bytes::Bytes;
use futures_util::{Stream, stream};
use image_cache::tokio::{AsyncImageCache, ImageReader};
use image_cache_tests::{TempCache, Tested, ThrottledReader};
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;
use tokio::io::AsyncReadExt;
use tokio::runtime::{Builder, Runtime};

pub struct Tokio {
    cache: AsyncImageCache,
    store: Store,
    runtime: Arc<Runtime>,
}

/// A reader that is read from outside of its runtime.
struct Outside {
    reader: ImageReader,
    runtime: Arc<Runtime>,
}

impl Read for Outside {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.runtime.block_on(self.reader.read(buf))
    }
}

/// A stream of the bytes of a source.
pub fn chunks_of(
    source: ThrottledReader,
) -> impl Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static {
    Box::pin(stream::try_unfold(source, async |mut source| {
        let read = tokio::task::spawn_blocking(move || {
            let mut chunk = vec![0; 50_000];
            let count = source.read(&mut chunk)?;
            chunk.truncate(count);
            Ok::<_, io::Error>((Bytes::from(chunk), source))
        });
        let (chunk, source) = read.await.map_err(io::Error::other)??;
        Ok::<_, io::Error>((!chunk.is_empty()).then_some((chunk, source)))
    }))
}

impl Tokio {
    fn reader(&self, reader: ImageReader) -> Reader {
        Box::new(Outside { reader, runtime: Arc::clone(&self.runtime) })
    }
}

impl Reads for Tokio {
    const BUFFERED: usize = 0;

    fn open(temp: &TempCache, store: &Store, fetch_to_end: bool) -> Tested<Tokio> {
        let cache = temp.open_with(|config| config.fetch_to_end(fetch_to_end)).into();
        let runtime = Arc::new(Builder::new_multi_thread().worker_threads(1).build()?);
        Ok(Tokio { cache, store: store.clone(), runtime })
    }

    fn get(&self) -> Tested<Reader> {
        let fetch = self.store.source.fetch();
        let open = async move || Ok(tokio_util::io::StreamReader::new(chunks_of(fetch()?)));
        let reader = self.cache.get_or_fetch("a", self.store.expected()?, open);
        Ok(self.reader(self.runtime.block_on(reader)?))
    }

    fn get_range(&self, range: Range<u64>) -> Tested<Reader> {
        let fetch = self.store.source.fetch();
        let source = stream::once(async move { fetch().map(chunks_of) });
        let source = Box::pin(futures_util::TryStreamExt::try_flatten(source));
        let reader = self.cache.get_or_fetch_range("a", range, self.store.expected()?, source);
        Ok(self.reader(self.runtime.block_on(reader)?.ok_or("it can be cached")?))
    }

    fn close(self) -> Tested<Option<u64>> {
        let failures = self.cache.run(|cache| Ok(cache.status()?.cache_failures));
        let failures = self.runtime.block_on(failures)?;
        self.runtime.block_on(self.cache.close())?;
        Ok(Some(failures))
    }
}
