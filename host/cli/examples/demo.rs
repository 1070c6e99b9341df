//! Shows the cache at work on a real image: `cargo xtask demo [FILE]`.
//!
//! Every step checks what it shows; the first failed check ends the demonstration with an error.

use anyhow::{Context, Result, ensure};
use comfy_table::{CellAlignment, Table, presets};
use image_cache::{Checksum, Config, DriverConfig, Error, Expected, ImageCache, Outcome};
use indicatif::{ProgressBar, ProgressStyle};
use md5::{Digest, Md5};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const BLOCK: usize = 256 * 1024;

fn main() -> Result<()> {
    let path = PathBuf::from(std::env::args_os().nth(1).context("name an image: demo FILE")?);
    let image = Image::open(&path)?;
    println!("{}: {} bytes, MD5 {}\n", path.display(), image.size, image.md5);
    let mut figures = Vec::new();
    for driver in ["sqlite", "xattr"] {
        Show { driver, image: &image, figures: &mut figures }
            .run()
            .with_context(|| format!("driver {driver}"))?;
    }
    fallback(&image).context("the fallback")?;
    println!("\n{}", table(&figures));
    println!("Every step checked itself, and all was well.");
    Ok(())
}

/// The image that is shown around, and what it must be.
struct Image {
    path: PathBuf,
    size: u64,
    md5: String,
}

impl Image {
    fn open(path: &Path) -> Result<Image> {
        let mut file =
            File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        let size = file.metadata()?.len();
        ensure!(size > 0, "{} is empty; name an image with some bytes", path.display());
        Ok(Image { path: path.to_owned(), size, md5: digest(&mut file, size, "its MD5")? })
    }

    fn source(&self) -> Result<File> {
        Ok(File::open(&self.path)?)
    }

    fn expected(&self) -> Result<Expected> {
        Ok(Expected::nothing().with_size(self.size).with_md5(&self.md5)?)
    }
}

/// One line of the table at the end.
struct Figure {
    driver: &'static str,
    step: &'static str,
    took: Duration,
    bytes: Option<u64>,
}

/// What is shown with one driver.
struct Show<'a> {
    driver: &'static str,
    image: &'a Image,
    figures: &'a mut Vec<Figure>,
}

impl Show<'_> {
    fn run(mut self) -> Result<()> {
        let directory = tempfile::tempdir()?;
        let config =
            Config::builder(directory.path()).driver(self.driver).max_size(1 << 40).build()?;
        let cache = self.timed("open", None, || Ok(ImageCache::open(config)?))?;
        let status = cache.driver();
        if let Some(fallback) = status.fallback {
            println!("driver {} cannot be shown here: {}", self.driver, fallback.reason);
            return Ok(());
        }
        println!("driver {} {}, a WebAssembly component", status.name, status.version);
        self.bytes(&cache)?;
        self.records(&cache)?;
        self.corrupted(&cache)?;
        drop(cache);
        self.prune(directory.path())
    }

    /// Cold and warm reading, each held against the image's MD5.
    fn bytes(&mut self, cache: &ImageCache) -> Result<()> {
        let size = self.image.size;
        let (source, expected) = (self.image.source()?, self.image.expected()?);
        let cold = self.timed("cold read, filling the cache", Some(size), || {
            let mut reader = cache.caching_reader("image", source, expected)?;
            let md5 = digest(&mut reader, size, "cold read")?;
            ensure!(
                matches!(reader.outcome(), Some(Outcome::Cached(_))),
                "not cached: {:?}",
                reader.outcome()
            );
            Ok(md5)
        })?;
        ensure!(cold == self.image.md5, "the cold read gave MD5 {cold}");
        ensure!(cache.hit_count("image")? == 0, "the reader that fills counts no hit");
        let warm = self.timed("warm read, from the cache", Some(size), || {
            let mut reader = cache.open_for_read("image")?.context("it is not cached")?;
            digest(&mut reader, size, "warm read")
        })?;
        ensure!(warm == self.image.md5, "the warm read gave MD5 {warm}");
        Ok(())
    }

    /// What the driver keeps: hits, the list, the queue.
    fn records(&mut self, cache: &ImageCache) -> Result<()> {
        let hits = self.timed("hit count", None, || Ok(cache.hit_count("image")?))?;
        ensure!(hits == 1, "one warm read, but {hits} hits");
        let list = self.timed("list", None, || Ok(cache.cached_images()?))?;
        for image in &list {
            let checksum = image.checksum.as_ref().map(Checksum::value);
            println!(
                "  list: {} {} bytes, {} hit, MD5 {}",
                image.image_id,
                image.size,
                image.hits,
                checksum.unwrap_or("-")
            );
        }
        ensure!(list.len() == 1 && list[0].size == self.image.size, "the list is wrong: {list:?}");
        let added = self.timed("queue", None, || Ok(cache.queue_image("wanted-next")?))?;
        ensure!(
            added && !cache.queue_image("image")?,
            "a cached image must not be queued, another one must"
        );
        ensure!(cache.queued_images()?.len() == 1, "one image is queued");
        println!("  queue: wanted-next");
        Ok(())
    }

    /// A source that flips one bit in the middle.
    fn corrupted(&mut self, cache: &ImageCache) -> Result<()> {
        let size = self.image.size;
        let flipped = Flipped { source: self.image.source()?, position: 0, at: size / 2 };
        let expected = self.image.expected()?;
        let refused = self.timed("corrupted fetch, refused", Some(size), || {
            let mut reader = cache.caching_reader("corrupted", flipped, expected)?;
            Ok(digest(&mut reader, size, "corrupted fetch"))
        })?;
        let error = refused.err().context("a corrupted image was taken for good")?;
        let io_error =
            error.downcast_ref::<io::Error>().context("another error than the reader's")?;
        ensure!(
            matches!(Error::of_io(io_error), Some(Error::ChecksumMismatch { .. })),
            "unexpected: {error}"
        );
        ensure!(!cache.is_cached("corrupted")?, "a corrupted image is cached");
        println!("  refused: {error}");
        let cleaned = self.timed("clean", None, || Ok(cache.clean(None)?))?;
        ensure!(cleaned.invalid == 1, "the corrupted file was to go: {cleaned:?}");
        Ok(())
    }

    /// A limit of half the image evicts it.
    fn prune(&mut self, directory: &Path) -> Result<()> {
        let config =
            Config::builder(directory).driver(self.driver).max_size(self.image.size / 2).build()?;
        let cache = ImageCache::open(config)?;
        let pruned = self.timed("prune", None, || Ok(cache.prune()?))?;
        println!("  prune: {} image, {} bytes\n", pruned.images, pruned.bytes);
        ensure!(pruned.images == 1 && pruned.bytes == self.image.size, "pruned {pruned:?}");
        ensure!(!cache.is_cached("image")?, "the image was to go");
        Ok(())
    }

    fn timed<T>(
        &mut self,
        step: &'static str,
        bytes: Option<u64>,
        run: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let start = Instant::now();
        let answer = run().context(step)?;
        self.figures.push(Figure { driver: self.driver, step, took: start.elapsed(), bytes });
        Ok(answer)
    }
}

/// A driver that is no component: the cache says why, and works with sqlite.
fn fallback(image: &Image) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let component = directory.path().join("broken.wasm");
    std::fs::write(&component, "this is no component")?;
    let driver = DriverConfig { component, ..DriverConfig::default() };
    let config = Config::builder(directory.path().join("cache"))
        .driver("broken")
        .define_driver("broken", driver)
        .build()?;
    let cache = ImageCache::open(config)?;
    let status = cache.driver();
    let fallback = status.fallback.context("a broken driver was loaded")?;
    ensure!(status.name == "sqlite", "sqlite was to take its place, not {}", status.name);
    println!(
        "driver {} takes the place of {}: {}",
        status.name, fallback.configured, fallback.reason
    );
    let outcome = cache.cache_image("image", image.source()?, image.expected()?)?;
    ensure!(matches!(outcome, Outcome::Cached(_)), "the fallback does not cache: {outcome:?}");
    Ok(())
}

/// Reads to the end behind a progress bar; the MD5 of the bytes, in hexadecimal.
fn digest(reader: &mut dyn Read, size: u64, what: &'static str) -> Result<String> {
    let style =
        ProgressStyle::with_template("  {msg:18} {bar:40} {bytes}/{total_bytes} {bytes_per_sec}")?;
    let bar = ProgressBar::new(size).with_style(style).with_message(what);
    let (mut md5, mut buffer) = (Md5::new(), vec![0; BLOCK]);
    loop {
        let count = reader.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        md5.update(&buffer[..count]);
        bar.inc(count as u64);
    }
    bar.finish_and_clear();
    Ok(hex::encode(md5.finalize()))
}

/// Flips one bit of what it reads.
struct Flipped {
    source: File,
    position: u64,
    at: u64,
}

impl Read for Flipped {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buf)?;
        let end = self.position + count as u64;
        if (self.position..end).contains(&self.at) {
            let index = usize::try_from(self.at - self.position).map_err(io::Error::other)?;
            buf[index] ^= 1;
        }
        self.position = end;
        Ok(count)
    }
}

fn table(figures: &[Figure]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY).set_header([
        "driver",
        "operation",
        "time",
        "throughput",
    ]);
    for Figure { driver, step, took, bytes } in figures {
        let rate =
            bytes.map(|bytes| format!("{:.0} MB/s", bytes as f64 / took.as_secs_f64() / 1e6));
        table.add_row([
            (*driver).into(),
            (*step).into(),
            format!("{took:.2?}"),
            rate.unwrap_or_default(),
        ]);
    }
    for column in [2, 3] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}
