//! Threads that read an image through one cache at the same time: its source is read once.
//!
//! ```sh
//! with-threads CACHE IMAGE COPY...
//! ```
//!
//! Each thread writes the image to one of the copies, as a service writes it to one of its clients.

use anyhow::{Context, Result, anyhow, bail};
use image_cache::{Config, Expected, ImageCache};
use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::{env, io, thread};

fn main() -> Result<()> {
    let arguments: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [directory, image, copies @ ..] = &arguments[..] else {
        bail!("usage: with-threads CACHE IMAGE COPY...");
    };
    let cache = ImageCache::open(Config::builder(directory).max_size(50 << 30).build()?)?;
    let served = thread::scope(|scope| {
        let cache = &cache;
        let threads = copies.iter().map(|copy| scope.spawn(move || serve(cache, image, copy)));
        let threads: Vec<_> = threads.collect();
        let panicked = || anyhow!("a thread panicked");
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| panicked())?)
    });
    // The library evicts nothing by itself.
    cache.prune()?;
    let counters = cache.counters();
    println!("{} misses, {} hits", counters.misses, counters.hits);
    served
}

/// Serves one client. If it fails, the client has only a part of the image, or nothing.
fn serve(cache: &ImageCache, image: &Path, client: &Path) -> Result<()> {
    let id = image.file_name().and_then(OsStr::to_str).context("the image's name is not UTF-8")?;
    let source = image.to_owned();
    let failed = || format!("image {id} cannot be served to {}", client.display());
    let mut reader = cache.get_or_fetch(id, Expected::nothing(), move || File::open(source))?;
    let mut client = File::create(client).with_context(failed)?;
    io::copy(&mut reader, &mut client).with_context(failed)?;
    Ok(())
}
