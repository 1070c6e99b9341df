//! The cache for tokio: the same operations with `AsyncRead` and `Stream`, which do not block the runtime.
//!
//! All access to the disk and to drivers runs on tokio's blocking threads.

mod background_fill;
mod blocking;
mod buffer;
mod cached;
mod events;
mod fetching;
mod off_runtime;
mod pump;
mod queued_fill;
mod ranges;
mod read_budget;
mod reader;
mod resuming;
mod spare;
mod stream;
mod tee_stream;
mod timer;
mod writer;

pub use read_budget::ReadBudget;
pub use reader::ImageReader;
pub use resuming::{chunks_of, resuming};
pub use stream::ImageStream;
pub use writer::AsyncImageWriter;

use crate::cache::{ImageCache, WholeImage};
use crate::error::{Error, Result};
use crate::metrics::Counters;
use crate::single_flight::{Request, Route};

use crate::outcome::Outcome;
use ::tokio::io::AsyncRead;
use background_fill::BackgroundFill;
use blocking::blocking;
use bytes::Bytes;
use futures_util::stream::{Stream, StreamExt, TryStreamExt, once};
use image_cache_model::{Config, Expected, Requester};
use off_runtime::OffRuntime;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use stream::CHUNK;
use tokio_util::io::ReaderStream;

/// An [`ImageCache`] for tokio.
///
/// ```
/// use image_cache::tokio::AsyncImageCache;
/// use image_cache::{Config, Expected};
/// use ::tokio::io::AsyncReadExt;
/// # let scratch = tempfile::tempdir()?;
/// # let directory = scratch.path().join("cache");
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// let cache = AsyncImageCache::open(Config::builder(directory).build()?).await?;
///
/// let slow_store: &[u8] = b"an image";
/// let mut image = Vec::new();
/// cache.caching_reader("cirros", slow_store, Expected::nothing()).await?.read_to_end(&mut image).await?;
///
/// let mut cached = cache.open_for_read("cirros").await?.expect("it was cached");
/// let mut again = Vec::new();
/// cached.read_to_end(&mut again).await?;
/// assert_eq!(image, again);
/// // Any other operation runs on a blocking thread.
/// assert_eq!(cache.run(|cache| cache.cached_images()).await?.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct AsyncImageCache {
    /// The drop of the last handle closes the records.
    cache: Arc<OffRuntime<ImageCache>>,
    /// For whom its reads and fetches are.
    requester: Requester,
}

impl From<ImageCache> for AsyncImageCache {
    fn from(cache: ImageCache) -> Self {
        let requester = Requester::default();
        AsyncImageCache { cache: Arc::new(OffRuntime::new(cache)), requester }
    }
}

impl AsyncImageCache {
    /// [`ImageCache::open`].
    pub async fn open(config: Config) -> Result<Self> {
        AsyncImageCache::open_with(config, ReadBudget::default()).await
    }

    /// [`ImageCache::open`] with a memory budget for its readers, instead of its own one. Caches with clones of one budget share
    /// it.
    ///
    /// ```
    /// # use image_cache::tokio::{AsyncImageCache, ReadBudget};
    /// # use image_cache::Config;
    /// # let scratch = tempfile::tempdir()?;
    /// # let (one, two) = (scratch.path().join("one"), scratch.path().join("two"));
    /// # tokio::runtime::Runtime::new()?.block_on(async {
    /// let budget = ReadBudget::new(64 << 20);
    /// let one = AsyncImageCache::open_with(Config::builder(one).build()?, budget.clone()).await?;
    /// let two = AsyncImageCache::open_with(Config::builder(two).build()?, budget).await?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn open_with(config: Config, budget: ReadBudget) -> Result<Self> {
        let open = move || ImageCache::open_with(config, budget).map(OffRuntime::new);
        let cache = Arc::new(blocking(open).await?);
        Ok(AsyncImageCache { cache, requester: Requester::default() })
    }

    /// [`ImageCache::on_behalf_of`].
    pub fn on_behalf_of(&self, requester: Requester) -> AsyncImageCache {
        AsyncImageCache { cache: Arc::clone(&self.cache), requester }
    }

    /// A handle for a blocking thread.
    fn handle(&self) -> ImageCache {
        self.cache.on_behalf_of(self.requester.clone())
    }

    fn request(&self, id: &str, expected: Expected, range: Range<u64>) -> Result<Request> {
        let request = self.cache.request(id, expected, range)?;
        Ok(Request { requester: self.requester.clone(), ..request })
    }

    /// Runs any operation on a blocking thread.
    pub async fn run<T, F>(&self, operation: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&ImageCache) -> Result<T> + Send + 'static,
    {
        let cache = self.handle();
        blocking(move || operation(&cache)).await
    }

    /// [`ImageCache::caching_reader`] for a stream of chunks. Each chunk is returned after the next one has arrived, and the last
    /// one after the image was verified and published.
    pub async fn caching_stream<S>(
        &self,
        id: &str,
        source: S,
        expected: Expected,
    ) -> Result<ImageStream>
    where
        S: Stream<Item = io::Result<Bytes>> + Send + 'static,
    {
        Ok(tee_stream::tee(source, BackgroundFill::start(self.handle(), id, expected).await?, None))
    }

    /// [`ImageCache::caching_reader`] for an `AsyncRead`.
    pub async fn caching_reader<R>(
        &self,
        id: &str,
        source: R,
        expected: Expected,
    ) -> Result<ImageReader>
    where
        R: AsyncRead + Send + 'static,
    {
        let chunks = ReaderStream::with_capacity(source, CHUNK);
        let (filling, size) =
            (BackgroundFill::start(self.handle(), id, expected.clone()).await?, expected.size);
        let route =
            if filling.bypass_reason().is_some() { Route::Passing } else { Route::Fetching };
        Ok(ImageReader::passing(tee_stream::tee(chunks, filling, None), route, size))
    }

    /// [`ImageCache::begin`] for an `AsyncWrite`. Bytes are written to the disk on blocking threads, at most some hundred KiB behind
    /// the caller.
    ///
    /// ```
    /// # use image_cache::tokio::AsyncImageCache;
    /// # use image_cache::{Config, Expected};
    /// # use ::tokio::io::AsyncWriteExt;
    /// # let scratch = tempfile::tempdir()?;
    /// # let directory = scratch.path().join("cache");
    /// # tokio::runtime::Runtime::new()?.block_on(async {
    /// # let cache = AsyncImageCache::open(Config::builder(directory).build()?).await?;
    /// let mut writer = cache.begin("cirros", Expected::nothing().with_size(8)).await?;
    /// writer.write_all(b"an image").await?;
    /// writer.finish().await?;
    /// assert!(cache.open_for_read("cirros").await?.is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn begin(&self, id: &str, expected: Expected) -> Result<AsyncImageWriter> {
        let image_id = self.cache.inner()?.image_id(id)?;
        let filling = BackgroundFill::start(self.handle(), id, expected).await?;
        Ok(AsyncImageWriter::new(image_id, filling))
    }

    /// [`ImageCache::get_or_fetch`] for an `AsyncRead`. A task on the first reader's runtime reads the source for all readers.
    /// From the first read on, it reads as fast as the bytes arrive, even if the readers are slow.
    ///
    /// ```
    /// # use image_cache::tokio::AsyncImageCache;
    /// # use image_cache::{Config, Expected};
    /// # use ::tokio::io::AsyncReadExt;
    /// # let scratch = tempfile::tempdir()?;
    /// # let directory = scratch.path().join("cache");
    /// # tokio::runtime::Runtime::new()?.block_on(async {
    /// # let cache = AsyncImageCache::open(Config::builder(directory).build()?).await?;
    /// let fetch = || async { Ok(&b"an image"[..]) };
    /// let (mut one, mut other) = (Vec::new(), Vec::new());
    /// let mut first = cache.get_or_fetch("cirros", Expected::nothing(), fetch).await?;
    /// let mut second = cache
    ///     .get_or_fetch("cirros", Expected::nothing(), || async {
    ///         Ok::<&[u8], _>(unreachable!("the first one fetches"))
    ///     })
    ///     .await?;
    /// tokio::try_join!(first.read_to_end(&mut one), second.read_to_end(&mut other))?;
    /// assert_eq!((&one[..], &other[..]), (&b"an image"[..], &b"an image"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn get_or_fetch<F, Fut, R>(
        &self,
        id: &str,
        expected: Expected,
        fetch: F,
    ) -> Result<ImageReader>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = io::Result<R>> + Send + 'static,
        R: AsyncRead + Send + 'static,
    {
        let opened =
            async move { Ok::<_, io::Error>(ReaderStream::with_capacity(fetch().await?, CHUNK)) };
        self.get_or_fetch_stream(id, expected, once(opened).try_flatten()).await
    }

    /// [`get_or_fetch`](Self::get_or_fetch) for a stream of chunks, which are not copied on their way into the cache. The stream
    /// is polled only if the image must be fetched, and not before a reader reads: it should open its source at the first poll,
    /// as [`resuming`] does.
    pub async fn get_or_fetch_stream<S>(
        &self,
        id: &str,
        expected: Expected,
        source: S,
    ) -> Result<ImageReader>
    where
        S: Stream<Item = io::Result<Bytes>> + Send + 'static,
    {
        let request = self.request(id, expected, 0..u64::MAX)?;
        let reader = fetching::open(request, Some(Box::pin(source))).await?;
        reader.ok_or(Error::RuntimeStopped)
    }

    /// [`ImageCache::follow`].
    pub async fn follow(&self, id: &str) -> Result<Option<ImageReader>> {
        self.follow_range(id, 0..u64::MAX).await
    }

    /// [`ImageCache::counters`]; it does not block.
    pub fn counters(&self) -> Counters {
        self.cache.counters()
    }

    /// [`ImageCache::config`].
    pub fn config(&self) -> Arc<Config> {
        self.cache.config()
    }

    /// [`ImageCache::read_whole`], in one call on a blocking thread.
    pub async fn read_whole(
        &self,
        id: &str,
        at_most: usize,
    ) -> Result<Option<WholeImage<ImageReader>>> {
        let id = id.to_owned();
        let whole = self.run(move |cache| {
            Ok(cache.read_whole(&id, at_most)?.map(|whole| whole.map(OffRuntime::new)))
        });
        Ok(whole.await?.map(|whole| whole.map(ImageReader::of_cached)))
    }

    /// Writes the collected hits and drops the handle; if it was the last handle, the records are closed when this returns. This
    /// is for an orderly stop: the drop of a handle closes them in the background.
    pub async fn close(self) -> Result<()> {
        let cache = self.cache;
        blocking(move || {
            let flushed = cache.flush();
            drop(Arc::into_inner(cache).map(OffRuntime::into_inner));
            flushed
        })
        .await
    }

    /// [`ImageCache::cache_image`] for an `AsyncRead`.
    pub async fn cache_image<R>(&self, id: &str, source: R, expected: Expected) -> Result<Outcome>
    where
        R: AsyncRead + Send + 'static,
    {
        let mut chunks = Box::pin(ReaderStream::with_capacity(source, CHUNK));
        let mut filling = BackgroundFill::start(self.handle(), id, expected).await?;
        loop {
            if let Some(outcome) = filling.bypass_reason() {
                return Ok(outcome);
            }
            match chunks.next().await {
                Some(Ok(chunk)) => filling.push(chunk).await?,
                Some(Err(source)) => {
                    filling.reject(&source).await;
                    return Err(Error::source_failed(&id.parse()?)(source));
                }
                None => return filling.finish().await,
            }
        }
    }

    /// [`ImageCache::open_for_read`].
    pub async fn open_for_read(&self, id: &str) -> Result<Option<ImageReader>> {
        self.open_range(id, 0..u64::MAX).await
    }

    /// [`ImageCache::open_range`].
    pub async fn open_range(&self, id: &str, range: Range<u64>) -> Result<Option<ImageReader>> {
        let id = id.to_owned();
        let open = move |cache: &ImageCache| Ok(cache.open_range(&id, range)?.map(OffRuntime::new));
        Ok(self.run(open).await?.map(ImageReader::of_cached))
    }

    /// [`ImageCache::open_range`] as a stream of chunks. The read counts a hit when its last chunk is returned.
    pub async fn stream_range(&self, id: &str, range: Range<u64>) -> Result<Option<ImageStream>> {
        Ok(self.open_range(id, range).await?.map(ImageReader::into_stream))
    }
}
