//! Several caches in one process.

use super::process::{say, threads_named};
use crate::Tested;
use image_cache::{CompiledDrivers, Config, ImageCache, inspect};
use std::path::Path;

/// Opens two caches with the same driver, whose compiled code is kept nowhere on disk.
pub fn two_caches(dir: &Path) -> Tested {
    let config = |name: &str| {
        Config::builder(dir.join(name)).compiled_drivers(CompiledDrivers::None).build()
    };
    let is_compiled = |config: &Config| !inspect("sqlite", config).from_compile_cache;
    say("compiled-before", is_compiled(&config("one")?));
    let one = ImageCache::open(config("one")?)?;
    say("compiled-beside-one", is_compiled(&config("two")?));
    let two = ImageCache::open(config("two")?)?;
    say("tickers", threads_named("image-cache-tic")?);
    drop(one);
    say("compiled-beside-two", is_compiled(&config("two")?));
    drop(two);
    say("compiled-after", is_compiled(&config("two")?));
    Ok(())
}
