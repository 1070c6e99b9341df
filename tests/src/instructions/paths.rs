//! The hot paths: the state that each path needs, and the part whose instructions are counted.

use crate::{Tested, bytes};
use image_cache::{Config, Expected, ImageCache};
use std::fmt;
use std::fs::{self, File, FileTimes};
use std::hint::black_box;
use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Images in a small cache.
const SOME: usize = 400;
/// Images in a page, and in a cache that is opened.
const PAGE: usize = 1000;
/// The number of hits, and of queued images.
const FEW: usize = 100;
/// Bytes of a stream, and of each of its chunks.
const STREAM: usize = 8 << 20;
const CHUNK: usize = 64 << 10;
/// Small chunks, so that the cost of each chunk is visible beside the cost of its bytes.
const SMALL_CHUNK: usize = 64;
const SMALL_CHUNKS: usize = 16_384;

/// The threads whose instructions are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// Only the thread that does the work: the instructions of other threads (the clock of guests) vary between runs.
    Own,
    /// All threads, because they share the work.
    All,
}

/// One path.
#[derive(Debug, Clone, Copy)]
pub struct HotPath {
    /// Its name in the baseline.
    pub name: &'static str,
    /// The driver of the cache.
    pub driver: &'static str,
    /// The threads whose instructions are counted.
    pub threads: Threads,
    /// The number of images of 1 KiB that are cached before.
    images: usize,
    work: fn(&Context) -> Tested,
}

/// All paths.
pub const PATHS: &[HotPath] = &[
    path("hit", "sqlite", SOME, hits),
    path("hit", "xattr", SOME, hits),
    path("gathered-hits", "sqlite", SOME, gathered_hits),
    HotPath { threads: Threads::All, ..path("tee-8-mib", "sqlite", 0, tee) },
    HotPath { threads: Threads::All, ..path("tee-16384-chunks", "sqlite", 0, tee_chunks) },
    path("read-8-mib-verified", "sqlite", 0, read),
    path("list-1000", "sqlite", PAGE, list),
    path("list-1000", "xattr", PAGE, list),
    path("evict-200-of-400", "sqlite", SOME, evict),
    path("evict-200-of-400", "xattr", SOME, evict),
    path("queue-100", "sqlite", 0, queue),
    path("open-1000", "sqlite", PAGE, open),
    path("open-1000", "xattr", PAGE, open),
    path("start-and-status-1000", "sqlite", PAGE, start_and_status),
];

const fn path(
    name: &'static str,
    driver: &'static str,
    images: usize,
    work: fn(&Context) -> Tested,
) -> HotPath {
    HotPath { name, driver, threads: Threads::Own, images, work }
}

impl fmt::Display for HotPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.driver)
    }
}

impl HotPath {
    /// The path of this name, with this driver.
    pub fn find(name: &str, driver: &str) -> Option<&'static HotPath> {
        PATHS.iter().find(|path| path.name == name && path.driver == driver)
    }

    /// Creates the state that the path needs, in a directory that does not exist yet.
    ///
    /// This is not counted, because counting makes it fifty times slower.
    pub fn prepare(&self, directory: &Path) -> Tested {
        fs::create_dir_all(directory)?;
        for n in 0..self.images {
            let path = directory.join(id(n));
            fs::write(&path, [7; 1024])?;
            // The ages differ, so that the eviction order is unique, and are the same in each run.
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + n as u64);
            File::open(path)?.set_times(FileTimes::new().set_accessed(at).set_modified(at))?;
        }
        let context = Context { directory, driver: self.driver };
        let cache = context.cache()?;
        for n in 0..self.images {
            // A read then finds digests, and does not create them.
            cache.verify(&id(n))?;
        }
        cache.cache_image("stream", &stream()[..], Expected::nothing())?;
        Ok(())
    }

    /// Runs the path in a prepared directory.
    pub fn go(&self, directory: &Path) -> Tested {
        (self.work)(&Context { directory, driver: self.driver })
    }
}

/// The state during a run.
struct Context<'a> {
    directory: &'a Path,
    driver: &'static str,
}

impl Context<'_> {
    fn cache(&self) -> Tested<ImageCache> {
        self.cache_with(1 << 40, Duration::ZERO)
    }

    fn cache_with(&self, max_size: u64, hit_delay: Duration) -> Tested<ImageCache> {
        let config = Config::builder(self.directory).driver(self.driver);
        let cache = ImageCache::open(config.max_size(max_size).hit_delay(hit_delay).build()?)?;
        match cache.driver().fallback {
            None => Ok(cache),
            Some(fallback) => Err(format!("{}: {}", fallback.configured, fallback.reason).into()),
        }
    }
}

/// The counted part: callgrind gets this function's name ([`MEASURED`]), so the function must not be inlined and must not end in
/// a jump.
#[inline(never)]
fn measured(work: &mut dyn FnMut() -> Tested) -> Tested {
    black_box(work())
}

/// A pattern for the function whose instructions are counted, with any mangled name.
pub const MEASURED: &str = "*instructions*paths*measured*";

fn id(n: usize) -> String {
    format!("image-{n:06}")
}

fn stream() -> Vec<u8> {
    bytes(6, STREAM)
}

fn hit(cache: &ImageCache, n: usize) -> Tested {
    let mut kib = [0; 1024];
    cache.open_for_read(&id(n))?.ok_or("it is not cached")?.read_exact(&mut kib)?;
    black_box(kib);
    Ok(())
}

/// The first read of a cache does one-time work.
fn hits(context: &Context) -> Tested {
    let cache = context.cache()?;
    hit(&cache, FEW)?;
    measured(&mut || (0..FEW).try_for_each(|n| hit(&cache, n)))
}

fn gathered_hits(context: &Context) -> Tested {
    let cache = context.cache_with(1 << 40, Duration::from_secs(3600))?;
    (0..SOME).try_for_each(|n| hit(&cache, n))?;
    measured(&mut || Ok(cache.flush()?))
}

fn tee(context: &Context) -> Tested {
    tee_by(context, &stream(), CHUNK)
}

fn tee_chunks(context: &Context) -> Tested {
    tee_by(context, &bytes(7, SMALL_CHUNK * SMALL_CHUNKS), SMALL_CHUNK)
}

fn tee_by(context: &Context, mut image: &[u8], chunk: usize) -> Tested {
    let (cache, mut chunk) = (context.cache()?, vec![0; chunk]);
    measured(&mut || {
        let mut reader = cache.caching_reader("another", &mut image, Expected::nothing())?;
        while reader.read(&mut chunk)? > 0 {}
        Ok(())
    })?;
    if cache.is_cached("another")? { Ok(()) } else { Err("it was not cached".into()) }
}

fn read(context: &Context) -> Tested {
    let cache = context.cache()?;
    let mut block = vec![0; 1 << 20];
    measured(&mut || {
        let mut reader = cache.open_for_read("stream")?.ok_or("it is not cached")?;
        while reader.read(&mut block)? > 0 {}
        Ok(())
    })
}

fn list(context: &Context) -> Tested {
    let cache = context.cache()?;
    let mut images = Vec::new();
    measured(&mut || {
        images = cache.cached_images()?;
        Ok(())
    })?;
    if images.len() > PAGE { Ok(()) } else { Err("some are missing".into()) }
}

fn evict(context: &Context) -> Tested {
    let half = (STREAM + SOME / 2 * 1024) as u64;
    let cache = context.cache_with(half, Duration::ZERO)?;
    let mut images = 0;
    measured(&mut || {
        images = cache.prune()?.images;
        Ok(())
    })?;
    if images == SOME as u64 / 2 { Ok(()) } else { Err(format!("{images} went").into()) }
}

fn queue(context: &Context) -> Tested {
    let cache = context.cache()?;
    measured(&mut || {
        for n in 0..FEW {
            cache.queue_image(&id(n))?;
        }
        Ok(())
    })
}

/// The engine and the compiled driver exist already: this counts the work that grows with the cache.
fn open(context: &Context) -> Tested {
    drop(context.cache()?);
    let mut cache = None;
    measured(&mut || {
        cache = Some(context.cache()?);
        Ok(())
    })
}

/// The cost of a command that starts, reads and ends: the driver comes from the compile cache.
fn start_and_status(context: &Context) -> Tested {
    measured(&mut || {
        let status = context.cache()?.status()?;
        writeln!(std::io::stderr(), "{} images", status.cached.images)?;
        Ok(())
    })
}
