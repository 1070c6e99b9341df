//! What other configurations add to the process: another driver, several digests, fetches without readers, many images, and
//! compiled code that is kept nowhere.

use super::footprint::{ready, step};
use super::process::{Memory, begin_peak, say, wait_until_gone};
use super::watch::{Watched, watch};
use crate::{Tested, ThrottledSource, bytes, digest, fill, read_all, serve};
use image_cache::{ChecksumAlgorithm, CompiledDrivers, Config, Expected, ImageCache};
use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

const IMAGE: usize = 4 << 20;

/// More images than those that one thread lists.
const MANY: usize = 300;

/// The thread that compiles the replacement of another driver than sqlite.
const SPARE: &str = "image-cache-spa";
const FETCH: &str = "image-cache-fet";

/// How long to look for a thread that lives only during a call.
const PATIENCE: Duration = Duration::from_secs(60);

/// A cache with the xattr driver.
pub fn xattr(dir: &Path) -> Tested {
    let config = |name: &str| Config::builder(dir.join(name)).driver("xattr").build();
    ready(config("ready")?)?;
    wait_until_gone(SPARE)?;
    step("start")?;
    let cache = ImageCache::open(config("one")?)?;
    wait_until_gone(SPARE)?;
    step("open")?;
    let image = bytes(1, IMAGE);
    let mut writer = cache.begin("a", Expected::nothing())?;
    writer.write_all(&image)?;
    step("writer")?;
    writer.finish()?;
    let mut reader = cache.open_for_read("a")?.ok_or("it was cached")?;
    reader.read_exact(&mut [0; 100])?;
    step("reader")?;
    drop(reader);
    assert!(serve(&cache, "a")? == image);
    drop(cache);
    step("end")
}

/// A writer that expects three digests, and a fetch that expects one.
pub fn digests(dir: &Path) -> Tested {
    let config = |name: &str| Config::builder(dir.join(name)).build();
    ready(config("ready")?)?;
    step("start")?;
    let cache = ImageCache::open(config("one")?)?;
    step("open")?;
    let image = bytes(1, IMAGE);
    let expected = |algorithms: &[ChecksumAlgorithm]| {
        let each = algorithms.iter().map(|algorithm| digest(*algorithm, &image));
        each.fold(Expected::nothing(), Expected::with_checksum)
    };
    let all = [ChecksumAlgorithm::Md5, ChecksumAlgorithm::Sha256, ChecksumAlgorithm::Sha512];
    let mut writer = cache.begin("a", expected(&all))?;
    writer.write_all(&image)?;
    step("writer")?;
    writer.finish()?;
    step("written")?;
    let source = ThrottledSource::unlimited(image.clone());
    let expected = expected(&[ChecksumAlgorithm::Sha512]);
    let mut fetched = cache.get_or_fetch("b", expected, source.fetch())?;
    fetched.read_exact(&mut vec![0; IMAGE / 2])?;
    step("fetch")?;
    assert!(read_all(fetched)?.len() == IMAGE / 2);
    step("fetched")?;
    drop(cache);
    step("end")
}

/// A fetch that goes on without its reader.
pub fn fetch_to_end(dir: &Path) -> Tested {
    let config = |name: &str| Config::builder(dir.join(name)).fetch_to_end(true).build();
    ready(config("ready")?)?;
    step("start")?;
    let cache = ImageCache::open(config("one")?)?;
    step("open")?;
    let image = bytes(1, IMAGE);
    let source = ThrottledSource::new(image.clone());
    source.allow(IMAGE / 2);
    let mut reader = cache.get_or_fetch("a", Expected::nothing(), source.fetch())?;
    reader.read_exact(&mut vec![0; IMAGE / 4])?;
    step("reader")?;
    drop(reader);
    step("without-reader")?;
    source.finish();
    wait_until_gone(FETCH)?;
    step("fetched")?;
    say("cached", serve(&cache, "a")? == image);
    drop(cache);
    step("end")
}

/// A directory with many images, which are listed, counted and removed.
pub fn many_images(dir: &Path) -> Tested {
    let config = |name: &str| Config::builder(dir.join(name)).build();
    ready(config("ready")?)?;
    step("start")?;
    let cache = ImageCache::open(config("one")?)?;
    step("open")?;
    for number in 0..MANY {
        fill(&cache, &format!("image-{number:03}"), b"an image");
    }
    step("filled")?;
    // The thread that helps lives only during the call: until it was seen.
    let threads = ["image-cache-scan", "image-cache-close"].map(Watched::named);
    let until = Instant::now() + PATIENCE;
    watch("listed", &threads, || {
        while threads[0].most() == 0 && Instant::now() < until {
            assert_eq!(cache.cached_images()?.len(), MANY);
            cache.status()?;
        }
        Ok(())
    })?;
    step("listed")?;
    let removed = watch("removed", &threads, || Ok(cache.delete_all_cached_images()?))?;
    assert_eq!(removed, MANY as u64);
    step("removed")?;
    drop(cache);
    step("end")
}

/// A cache whose compiled driver is kept nowhere: the first open compiles, the second one shares the code.
pub fn without_kept_code(dir: &Path) -> Tested {
    let config = |name: &str| {
        Config::builder(dir.join(name)).compiled_drivers(CompiledDrivers::None).build()
    };
    let before = begin_peak()?;
    step("begin")?;
    let cache = ImageCache::open(config("one")?)?;
    let peak = Memory::of_process()?.peak;
    say("compiler-kib", peak.saturating_sub(before));
    step("open")?;
    let second = ImageCache::open(config("two")?)?;
    step("second")?;
    let image = bytes(1, IMAGE);
    fill(&second, "a", &image);
    say("served", serve(&second, "a")? == image);
    drop((cache, second));
    step("end")
}
