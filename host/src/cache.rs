//! The cache: each operation's steps in their order.

use crate::blocks::Blocks;
use crate::books::{Books, DriverStatus};
use crate::clean::Cleaned;
use crate::config::Config;
use crate::directory::{Directory, Use};
use crate::driver::{CacheSize, CachedImage, LeftoverState};
use crate::error::{Error, Result};
use crate::expected::{Expected, Outcome};
use crate::fill::Fill;
use crate::flight::{Drive, FetchReader, Flights, Request};
use crate::hits::HitLog;
use crate::image_id::ImageId;
use crate::prune::Pruned;
use crate::reading::CachedReader;
use crate::removing::settle_queue;
use crate::tee::CachingReader;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// How often the books are read where they fail and are repaired in between: within so many a driver that keeps failing
/// is replaced, and the next one's books are in step.
const READINGS: u32 = 5;

/// A disk cache for large images. Clones share one cache; the last one to go writes gathered hits and
/// closes the books.
///
/// ```
/// use image_cache::{Config, Expected, ImageCache};
/// use std::io::Read;
/// # let scratch = tempfile::tempdir()?;
/// # let directory = scratch.path().join("cache");
/// let cache = ImageCache::open(Config::builder(directory).build()?)?;
/// let slow_store = std::io::Cursor::new(vec![7; 1 << 20]);
///
/// // The first reader gets the bytes of the source, verified; the cache gets a copy.
/// let mut image = Vec::new();
/// cache.caching_reader("firmware-1.2", slow_store, Expected::nothing())?.read_to_end(&mut image)?;
///
/// // The next one is served from local disk.
/// let mut again = Vec::new();
/// cache.open_for_read("firmware-1.2")?.expect("it was cached").read_to_end(&mut again)?;
/// assert_eq!(image, again);
/// assert_eq!(cache.hit_count("firmware-1.2")?, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ImageCache {
    shared: Arc<Shared>,
}

/// What the clones of a cache, its readers and its fills share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub config: Arc<Config>,
    pub directory: Arc<Directory>,
    pub books: Arc<Books>,
    pub blocks: Blocks,
    pub hits: Arc<HitLog>,
    pub flights: Flights,
    pub warnings: Vec<String>,
    /// Fills that the cache, not the source, broke off.
    pub failures: AtomicU64,
    /// Keeps away who wants the cache for himself alone.
    _in_use: Use,
}

/// What `status` tells of a cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Which driver serves.
    pub driver: DriverStatus,
    /// Images and bytes cached.
    pub cached: CacheSize,
    /// `image_cache_max_size`, in bytes.
    pub max_size: u64,
    /// Entries in `queue/`.
    pub queued: u64,
    /// Files in `incomplete/`, whether their writers live or not.
    pub incomplete: u64,
    /// Files in `invalid/`.
    pub invalid: u64,
    /// What the operator should know, in words.
    pub warnings: Vec<String>,
    /// Fills that the cache, not the source, broke off since it was opened.
    pub cache_failures: u64,
}

/// An image that an operation could not remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The image.
    pub image_id: ImageId,
    /// Why it is still there.
    pub reason: String,
}

impl ImageCache {
    /// Opens the cache, makes its directory where it is missing, loads the driver (or sqlite in its place)
    /// and brings books and queue into step with the directory.
    pub fn open(config: Config) -> Result<ImageCache> {
        let config = Arc::new(config);
        let directory = Arc::new(Directory::open(&config.dir, &config.sqlite_db)?);
        let in_use = directory.join().map_err(|source| Error::Directory {
            operation: "open",
            path: directory.path().to_owned(),
            source,
        })?;
        let warnings: Vec<String> = directory.file_system_warning().into_iter().collect();
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        let books = Arc::new(Books::open(Arc::clone(&config), Arc::clone(&directory))?);
        let hits = HitLog::new(Arc::clone(&books), config.hit_delay);
        let blocks = Blocks::new(Arc::clone(&directory));
        let (flights, failures) = (Flights::default(), AtomicU64::new(0));
        let shared = Shared {
            config,
            directory,
            books,
            blocks,
            hits,
            flights,
            warnings,
            failures,
            _in_use: in_use,
        };
        shared.settle();
        settle_queue(&shared);
        Ok(ImageCache { shared: Arc::new(shared) })
    }

    /// What the cache was opened with.
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// Whether the image is cached: complete and verified.
    pub fn is_cached(&self, id: &str) -> Result<bool> {
        Ok(self.image_size(id)?.is_some())
    }

    /// Whether the image waits in the queue.
    pub fn is_queued(&self, id: &str) -> Result<bool> {
        let id = self.shared.image_id(id)?;
        self.shared.directory.is_queued(&id).map_err(Error::image("look for", &id))
    }

    /// Whether a live writer, here or in another process, is caching the image.
    pub fn is_being_cached(&self, id: &str) -> Result<bool> {
        let id = self.shared.image_id(id)?;
        self.shared.directory.is_being_written(&id).map_err(Error::image("look for", &id))
    }

    /// Whether the image may be cached now: it is neither cached nor being cached, and the driver takes it.
    /// `size` in bytes, where it is known, is the driver's to judge.
    pub fn is_cacheable(&self, id: &str, size: Option<u64>) -> Result<bool> {
        if self.is_cached(id)? || self.is_being_cached(id)? {
            return Ok(false);
        }
        self.shared.settle();
        self.shared.books.is_cacheable(&self.shared.image_id(id)?, size, SystemTime::now())
    }

    /// Reads through `source` and fills the cache by the way; where the image is not cacheable, through
    /// `source` alone. What is expected is verified either way, before the last byte is handed out.
    ///
    /// A failing source's error reaches the reader unchanged, a failing cache never does. Dropped before
    /// its end, the reader leaves nothing cached.
    pub fn caching_reader<R: Read>(
        &self,
        id: &str,
        source: R,
        expected: Expected,
    ) -> Result<CachingReader<R>> {
        Ok(CachingReader::new(source, self.fill(id, expected)?))
    }

    /// Reads the image from the cache; where it is not cached, along with whoever is fetching it; where
    /// nobody is, through the source that `fetch` opens, filling the cache by the way. However many ask
    /// for a cold image at the same time, its source is read once.
    ///
    /// `fetch` is asked only when it is needed, by the read that needs it, and its source may be read by
    /// any reader's thread. A fetch that its first reader leaves goes on while another reads along (and to
    /// its end by the option `image_cache_fetch_to_end`). All readers end alike: with the whole, verified
    /// image, or with the same error. Where the cache fails (a full disk), a reader goes on with its own
    /// source. A read along counts one hit, like one of a cached image; the read that fetched counts none.
    ///
    /// A fetch in another process is followed likewise (option `image_cache_other_writer`). If its writer
    /// dies, a reader takes over; if it brings nothing for `image_cache_other_writer_patience`, each reader
    /// goes on with its own source, past the cache. So does one that reads along with a
    /// [`caching_reader`](Self::caching_reader) whose owner stops reading: for both in one thread, that
    /// is what ends the wait.
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
        let request = self.request(id, expected)?;
        let nobody = io::Error::other("there is nothing to read from");
        let cannot = Error::image("read", &request.image_id);
        let fetch = move || Ok(Box::new(fetch()?) as Box<dyn Read + Send>);
        let reader = FetchReader::open(request, Some(Box::new(fetch)))?;
        reader.ok_or_else(|| cannot(nobody))
    }

    /// Reads an image that is cached, or along with whoever is fetching it, without a source of one's own;
    /// nothing where it is neither. What would send a reader of [`get_or_fetch`](Self::get_or_fetch) to its
    /// own source is an error here.
    pub fn follow(&self, id: &str) -> Result<Option<FetchReader>> {
        FetchReader::open(self.request(id, Expected::nothing())?, None)
    }

    /// Drains a source into the cache. A source of an image that will not be cached is not read.
    pub fn cache_image<R: Read>(&self, id: &str, source: R, expected: Expected) -> Result<Outcome> {
        crate::tee::drain(source, self.fill(id, expected)?)
    }

    /// The same from a file, from where it stands; its length is expected unless another one is.
    pub fn cache_image_file(
        &self,
        id: &str,
        file: &mut File,
        mut expected: Expected,
    ) -> Result<Outcome> {
        let id_checked = self.shared.image_id(id)?;
        let metadata = file
            .metadata()
            .map_err(|source| Error::SourceFailed { image_id: id_checked.clone(), source })?;
        if expected.size.is_none() && metadata.is_file() {
            let position = io::Seek::stream_position(file)
                .map_err(|source| Error::SourceFailed { image_id: id_checked, source })?;
            expected.size = Some(metadata.len().saturating_sub(position));
        }
        self.cache_image(id, file, expected)
    }

    /// The image's bytes, or nothing where it is not cached. Read to its end it counts one hit.
    ///
    /// # Errors
    /// [`Error::Corrupt`], here or from the reader, where the image is damaged; it is not cached any more then.
    pub fn open_for_read(&self, id: &str) -> Result<Option<CachedReader>> {
        CachedReader::open(&self.shared, &self.shared.image_id(id)?, None)
    }

    /// A part of the image's bytes, cut to its length. Delivered to its end it counts one hit.
    pub fn open_range(&self, id: &str, range: Range<u64>) -> Result<Option<CachedReader>> {
        CachedReader::open(&self.shared, &self.shared.image_id(id)?, Some(range))
    }

    /// Bytes in the cached image, or nothing where it is not cached.
    pub fn image_size(&self, id: &str) -> Result<Option<u64>> {
        let id = self.shared.image_id(id)?;
        let info = self.shared.directory.cached_file(&id).map_err(Error::image("look for", &id))?;
        Ok(info.map(|info| info.size))
    }

    /// How often the image was read to its end; 0 where it is not cached.
    pub fn hit_count(&self, id: &str) -> Result<u64> {
        Ok(self.cached_image(id)?.map_or(0, |image| image.hits))
    }

    /// What the books say of a cached image.
    pub fn cached_image(&self, id: &str) -> Result<Option<CachedImage>> {
        let id = self.shared.image_id(id)?;
        self.shared.bring_up_to_date();
        if self.image_size(id.as_str())?.is_none() {
            return Ok(None);
        }
        self.shared.read_books(|books| books.cached_image(&id))
    }

    /// What the books say of all cached images, ordered by id.
    pub fn cached_images(&self) -> Result<Vec<CachedImage>> {
        self.shared.bring_up_to_date();
        let directory = &self.shared.directory;
        self.shared.read_books(|books| {
            let mut images = Vec::new();
            books.each_page(|page| {
                let (listed, before) = (page.len(), images.len());
                images.extend(page.into_iter().filter_map(|image| {
                    let file = directory.cached_file(&image.image_id).ok()??;
                    Some(CachedImage { size: file.size, ..image })
                }));
                listed - (images.len() - before)
            })?;
            Ok(images)
        })
    }

    /// Images and bytes cached, counted in the directory.
    pub fn cache_size(&self) -> Result<CacheSize> {
        self.shared.cache_size()
    }

    /// Which driver serves, and where it is a fallback: from what, and why.
    pub fn driver(&self) -> DriverStatus {
        self.shared.books.status()
    }

    /// Driver, counts and warnings.
    pub fn status(&self) -> Result<Status> {
        let directory = &self.shared.directory;
        self.shared.settle();
        Ok(Status {
            driver: self.driver(),
            cached: self.cache_size()?,
            max_size: self.config().max_size,
            queued: self.shared.in_directory("read", "queue", directory.queued())?.len() as u64,
            incomplete: self.shared.in_directory(
                "read",
                "incomplete",
                directory.count(LeftoverState::Incomplete),
            )?,
            invalid: self.shared.in_directory(
                "read",
                "invalid",
                directory.count(LeftoverState::Invalid),
            )?,
            warnings: self.shared.warnings.clone(),
            cache_failures: self.shared.failures.load(Ordering::Relaxed),
        })
    }

    /// Writes the hits that were gathered for `image_cache_hit_delay`.
    pub fn flush(&self) -> Result<()> {
        self.shared.hits.flush()
    }

    /// Evicts in the driver's order until the cached bytes are at most `image_cache_max_size`. Images that
    /// are being read stay, and are named in the answer.
    pub fn prune(&self) -> Result<Pruned> {
        crate::prune::prune(&self.shared)
    }

    /// Removes the leftovers that the driver names: with the built-in drivers all of `invalid/`, and of
    /// `incomplete/` what is older than the stall time (the configured one unless given); never a file
    /// whose writer lives.
    pub fn clean(&self, stall_time: Option<Duration>) -> Result<Cleaned> {
        crate::clean::clean(&self.shared, stall_time)
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Starts a fetch of the image, whose source is its reader's alone.
    pub(crate) fn fill(&self, id: &str, expected: Expected) -> Result<Fill> {
        let fill = Fill::start(Arc::clone(&self.shared), self.shared.image_id(id)?, expected);
        fill.progress().announce(Drive::Reader);
        Ok(fill)
    }

    pub(crate) fn request(&self, id: &str, expected: Expected) -> Result<Request> {
        let (shared, image_id) = (Arc::clone(&self.shared), self.shared.image_id(id)?);
        Ok(Request { shared, image_id, expected, distrusts_cached: false })
    }
}

impl Drop for Shared {
    /// An orderly stop loses no hit, not even where books were replaced a moment ago.
    fn drop(&mut self) {
        self.bring_up_to_date();
    }
}

impl Shared {
    pub fn image_id(&self, id: &str) -> Result<ImageId> {
        Ok(self.directory.image_id(id)?)
    }

    /// Repairs the books where something could not be written before. Not with the directory locked.
    pub fn settle(&self) {
        let repair = || crate::reconcile::reconcile(self);
        if let Err(error) = self.books.settle(repair) {
            tracing::warn!(%error, "books and directory differ; it is tried again");
        }
    }

    /// Reads the books, and again where they failed meanwhile and were repaired.
    pub fn read_books<T>(&self, read: impl Fn(&Books) -> Result<T>) -> Result<T> {
        for _ in 1..READINGS {
            let answer = read(&self.books);
            if self.books.in_step() {
                return answer;
            }
            self.settle();
        }
        read(&self.books)
    }

    /// The books as this process knows them, gathered hits included.
    pub fn bring_up_to_date(&self) {
        self.settle();
        if let Err(error) = self.hits.flush() {
            tracing::warn!(%error, "hits wait until the books can be written");
        }
    }

    pub fn cache_size(&self) -> Result<CacheSize> {
        let count = || -> io::Result<CacheSize> {
            let mut size = CacheSize::default();
            for file in self.directory.cached_files()? {
                size.images += 1;
                size.bytes += file?.1.size;
            }
            Ok(size)
        };
        self.in_directory("read", "", count())
    }

    /// Names the directory in which something failed.
    pub fn in_directory<T>(
        &self,
        operation: &'static str,
        name: &str,
        result: io::Result<T>,
    ) -> Result<T> {
        result.map_err(|source| Error::Directory {
            operation,
            path: self.directory.path_of(name),
            source,
        })
    }

    /// Counts and logs that the cache could not keep an image.
    pub fn note_failure(&self, image: &ImageId, reason: &str) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(%image, reason, "the image is not cached");
    }
}
