//! The cache and its operations.

mod delete;
mod directory_files;
mod driver;
mod file_source;
mod handle;
mod inner;
mod listing;
mod lookup;
mod pins;
mod queue;
mod ranges;
mod reconfigure;
mod small_reads;
mod subscribe;
mod verify;

pub use driver::Explanation;
use handle::CacheHandle;
pub(crate) use inner::CacheInner;
pub use listing::ImageList;
pub use lookup::Status;
pub use small_reads::WholeImage;
pub use verify::Verified;

use crate::clean::Cleaned;
use crate::error::{Error, Result};
use crate::fill::Fill;
use crate::outcome::Outcome;
use crate::prune::{PlannedEviction, Pruned};
use crate::reading::CachedReader;
use crate::single_flight::{FetchReader, Producer, Request};
use crate::tee::CachingReader;
use crate::writer::ImageWriter;
use image_cache_model::{Config, Expected, Requester};
use std::io;
use std::io::Read;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// A disk cache for large images. Clones share one cache; the drop of the last clone writes collected hits and closes the
/// records.
///
/// A forked child can use the cache of its parent: it opens the directory, the locks and the records anew at its first use, so
/// every method may fail like [`open`](Self::open) there. Collected hits are written by the parent alone. A reader or writer that the
/// parent opened returns [`Error::Forked`] in the child.
///
/// ```
/// use image_cache::{Config, Expected, ImageCache};
/// use std::io::Read;
/// # let scratch = tempfile::tempdir()?;
/// # let directory = scratch.path().join("cache");
/// let cache = ImageCache::open(Config::builder(directory).build()?)?;
/// let slow_store = std::io::Cursor::new(vec![7; 1 << 20]);
///
/// // The first reader gets the verified bytes of the source; the cache stores a copy.
/// let mut image = Vec::new();
/// cache.caching_reader("firmware-1.2", slow_store, Expected::nothing())?.read_to_end(&mut image)?;
///
/// // The next reader is served from local disk.
/// let mut again = Vec::new();
/// cache.open_for_read("firmware-1.2")?.expect("it was cached").read_to_end(&mut again)?;
/// assert_eq!(image, again);
/// assert_eq!(cache.hit_count("firmware-1.2")?, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ImageCache {
    handle: Arc<CacheHandle>,
    requester: Requester,
}

impl ImageCache {
    /// Opens the cache, creates its directory if it is missing, loads the driver (or sqlite as the fallback) and reconciles
    /// records and queue with the directory.
    pub fn open(config: Config) -> Result<ImageCache> {
        Ok(ImageCache::of(CacheInner::open(config)?))
    }

    /// Like [`open`](Self::open); tokio readers take their memory from this budget.
    #[cfg(feature = "tokio")]
    pub(crate) fn open_with(config: Config, budget: crate::tokio::ReadBudget) -> Result<Self> {
        let mut inner = CacheInner::open(config)?;
        inner.read_budget = budget;
        Ok(ImageCache::of(inner))
    }

    fn of(inner: CacheInner) -> ImageCache {
        ImageCache { handle: Arc::new(CacheHandle::new(inner)), requester: Requester::default() }
    }

    /// The same cache, whose reads and fetches are those of this requester: a driver can then have a policy for tenants, or for
    /// kinds of requests.
    ///
    /// ```
    /// use image_cache::{Config, Expected, ImageCache, RequestKind, Requester};
    /// # let scratch = tempfile::tempdir()?;
    /// # let directory = scratch.path().join("cache");
    /// let cache = ImageCache::open(Config::builder(directory).build()?)?;
    /// let tenant = Some("project-7".parse()?);
    /// let cache = cache.on_behalf_of(Requester::of(RequestKind::Add).with_tenant(tenant));
    /// cache.cache_image("cirros", &b"an image"[..], Expected::nothing())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_behalf_of(&self, requester: Requester) -> ImageCache {
        ImageCache { handle: Arc::clone(&self.handle), requester }
    }

    /// The current configuration of the cache.
    pub fn config(&self) -> Arc<Config> {
        self.handle.config()
    }

    /// Reads `source` and fills the cache at the same time; if the image is not cacheable, only reads `source`. In both cases it
    /// verifies `expected` before it returns the last byte.
    ///
    /// The reader returns errors of the source unchanged, but no errors of the cache. If it is dropped before its end, the image
    /// is not cached.
    pub fn caching_reader<R: Read>(
        &self,
        id: &str,
        source: R,
        expected: Expected,
    ) -> Result<CachingReader<R>> {
        Ok(CachingReader::new(source, self.fill(id, expected)?, None))
    }

    /// Reads the image from the cache; if it is not cached, follows the running fetch; if no fetch runs, reads the source that
    /// `fetch` opens and fills the cache at the same time. If several readers open an uncached image at the same time, its source
    /// is read once.
    ///
    /// `fetch` is called only when a read needs it, and any reader's thread may read its source. If the first reader ends, the
    /// fetch continues while it has a follower (or to its end, with the option `image_cache_fetch_to_end`). All readers end
    /// alike: with the whole, verified image, or with the same error. If the cache fails (a full disk), each reader continues
    /// with its own source. A follower counts one hit, like a read of a cached image; the reader that fetches counts none.
    ///
    /// Readers follow a fetch of another process in the same way (option `image_cache_other_writer`). If its writer dies, a
    /// reader takes over; if it makes no progress for `image_cache_other_writer_patience`, each reader continues with its own
    /// source, without the cache. This also applies to a follower of a [`caching_reader`](Self::caching_reader) whose owner stops
    /// reading, so that a follower in the same thread does not wait forever.
    ///
    /// ```
    /// use image_cache::{Config, Expected, ImageCache};
    /// use std::io::{Cursor, Read};
    /// # let scratch = tempfile::tempdir()?;
    /// # let directory = scratch.path().join("cache");
    /// let cache = ImageCache::open(Config::builder(directory).build()?)?;
    /// let read = |fetch: fn() -> std::io::Result<Cursor<&'static [u8]>>| {
    ///     let mut image = Vec::new();
    ///     cache.get_or_fetch("cirros", Expected::nothing(), fetch)?.read_to_end(&mut image)?;
    ///     Ok::<_, Box<dyn std::error::Error>>(image)
    /// };
    /// assert_eq!(read(|| Ok(Cursor::new(b"an image")))?, b"an image");
    /// assert_eq!(read(|| unreachable!("it is cached now"))?, b"an image");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_or_fetch<F, R>(&self, id: &str, expected: Expected, fetch: F) -> Result<FetchReader>
    where
        F: FnOnce() -> io::Result<R> + Send + 'static,
        R: Read + Send + 'static,
    {
        let request = self.request(id, expected, 0..u64::MAX)?;
        let nobody = io::Error::other("there is nothing to read from");
        let cannot = Error::image("read", &request.image_id);
        let fetch = move || Ok(Box::new(fetch()?) as Box<dyn Read + Send>);
        let reader = FetchReader::open(request, Some(Box::new(fetch)))?;
        reader.ok_or_else(|| cannot(nobody))
    }

    /// Reads a cached image, or follows a running fetch, without a source; `None` if the image is neither cached nor being
    /// fetched. Where a reader of [`get_or_fetch`](Self::get_or_fetch) would continue with its own source, this reader returns an
    /// error.
    pub fn follow(&self, id: &str) -> Result<Option<FetchReader>> {
        self.follow_range(id, 0..u64::MAX)
    }

    /// Reads a source into the cache. If the image will not be cached, the source is not read.
    pub fn cache_image<R: Read>(&self, id: &str, source: R, expected: Expected) -> Result<Outcome> {
        crate::tee::drain(source, self.fill(id, expected)?)
    }

    /// Writes an image: for a caller that has no source to hand over, but receives the bytes one after the other. The image is cached
    /// when [`finish`](ImageWriter::finish) has verified it; a drop before that undoes everything.
    ///
    /// ```
    /// use image_cache::{Config, Expected, ImageCache, Outcome};
    /// use std::io::Write;
    /// # let scratch = tempfile::tempdir()?;
    /// # let directory = scratch.path().join("cache");
    /// let cache = ImageCache::open(Config::builder(directory).build()?)?;
    /// let mut writer = cache.begin("cirros", Expected::nothing().with_size(8))?;
    /// writer.write_all(b"an image")?;
    /// assert!(!cache.is_cached("cirros")?);
    /// assert!(matches!(writer.finish()?, Outcome::Cached(_)));
    /// assert!(cache.is_cached("cirros")?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the id is not valid. Any other reason why the image is not cached is the outcome.
    pub fn begin(&self, id: &str, expected: Expected) -> Result<ImageWriter> {
        Ok(ImageWriter::new(self.fill(id, expected)?))
    }

    /// The image's bytes; `None` if it is not cached. A read to the end counts one hit.
    ///
    /// # Errors
    /// [`Error::Corrupt`], here or from the reader, if the image is damaged; it is then no longer cached.
    pub fn open_for_read(&self, id: &str) -> Result<Option<CachedReader>> {
        self.open_range(id, 0..u64::MAX)
    }

    /// A range of the image's bytes, clamped to its size. A read to the end of the range counts one hit.
    pub fn open_range(&self, id: &str, range: Range<u64>) -> Result<Option<CachedReader>> {
        let inner = self.inner()?;
        CachedReader::open(inner, &inner.image_id(id)?, range, &self.requester)
    }

    /// Writes the hits that were collected during `image_cache_hit_delay`.
    pub fn flush(&self) -> Result<()> {
        self.inner()?.hits.flush()
    }

    /// Evicts in the driver's order until the cache is within `image_cache_max_size` and `image_cache_max_images`. Images that
    /// are being read stay, and the result lists them; pinned images stay, too.
    pub fn prune(&self) -> Result<Pruned> {
        crate::prune::prune(self.inner()?)
    }

    /// What [`prune`](Self::prune) would evict now, in this order; nothing is evicted. Images that are being read are in it, although
    /// they would stay.
    pub fn plan_prune(&self) -> Result<Vec<PlannedEviction>> {
        crate::prune::plan(self.inner()?)
    }

    /// Removes the leftovers that the driver names. The built-in drivers name all files in `invalid/`, and those in `incomplete/`
    /// that are older than the stall time (by default the configured one). A file with a live writer is never removed.
    pub fn clean(&self, stall_time: Option<Duration>) -> Result<Cleaned> {
        crate::clean::clean(self.inner()?, stall_time)
    }

    /// The open cache of this process; a forked child opens it here.
    pub(crate) fn inner(&self) -> Result<&Arc<CacheInner>> {
        self.handle.inner()
    }

    /// Starts a fetch of the image whose source only its reader reads.
    pub(crate) fn fill(&self, id: &str, expected: Expected) -> Result<Fill> {
        let inner = self.inner()?;
        let image_id = inner.image_id(id)?;
        let fill = Fill::start(Arc::clone(inner), image_id, expected, self.requester.clone());
        inner.note_miss(fill.bypass_reason().is_some());
        fill.progress().publish_producer(Producer::Reader);
        Ok(fill)
    }

    pub(crate) fn request(
        &self,
        id: &str,
        expected: Expected,
        range: Range<u64>,
    ) -> Result<Request> {
        let inner = Arc::clone(self.inner()?);
        let image_id = inner.image_id(id)?;
        let requester = self.requester.clone();
        let (route, distrusts_cached) = (None, false);
        Ok(Request { inner, image_id, expected, requester, range, route, distrusts_cached })
    }
}
