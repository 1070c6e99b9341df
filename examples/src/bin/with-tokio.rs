//! Tasks of tokio that read an image through one cache at the same time: its source is read once, as fast as it can be read.
//!
//! ```sh
//! with-tokio CACHE IMAGE COPY...
//! ```
//!
//! Each task writes the image to one of the copies, as a service writes it to one of its clients.

use anyhow::{Context, Result, bail};
use image_cache::tokio::AsyncImageCache;
use image_cache::{Config, Expected};
use std::env;
use std::ffi::OsStr;
use std::path::PathBuf;
use tokio::fs::File;
use tokio::io;
use tokio::task::JoinSet;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [directory, image, copies @ ..] = &arguments[..] else {
        bail!("usage: with-tokio CACHE IMAGE COPY...");
    };
    let config = Config::builder(directory).max_size(50 << 30).build()?;
    let cache = AsyncImageCache::open(config).await?;
    let mut tasks = JoinSet::new();
    for copy in copies {
        tasks.spawn(serve(cache.clone(), image.clone(), copy.clone()));
    }
    let served: Result<Vec<()>> = tasks.join_all().await.into_iter().collect();
    // The library evicts nothing by itself. Operations that block run on a thread that may block.
    cache.run(|cache| cache.prune()).await?;
    let counters = cache.counters();
    println!("{} misses, {} hits", counters.misses, counters.hits);
    cache.close().await?;
    served.map(drop)
}

/// Serves one client. If it fails, the client has only a part of the image, or nothing.
async fn serve(cache: AsyncImageCache, image: PathBuf, client: PathBuf) -> Result<()> {
    let id = image.file_name().and_then(OsStr::to_str).context("the image's name is not UTF-8")?;
    let source = image.clone();
    let failed = || format!("image {id} cannot be served to {}", client.display());
    let mut reader =
        cache.get_or_fetch(id, Expected::nothing(), move || File::open(source)).await?;
    let mut copy = File::create(&client).await.with_context(failed)?;
    io::copy(&mut reader, &mut copy).await.with_context(failed)?;
    // Writes to a file of tokio end in the background.
    io::AsyncWriteExt::flush(&mut copy).await.with_context(failed)
}
