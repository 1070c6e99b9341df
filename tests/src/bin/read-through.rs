//! A program that embeds the cache: it reads an image through the cache to standard output, from the cache or from a source.
//!
//! `read-through DIR DRIVER ID SOURCE [replace]` prints "open" to standard error after it opened the cache, and if it fetched an
//! image that is not cached, the reason. With `replace` it first deletes an image of that name.

use image_cache::{Config, Expected, ImageCache, Outcome};
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    image_cache_tests::ended(run())
}

fn run() -> image_cache_tests::Tested {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dir, driver, id, source, replace @ ..] = &arguments[..] else {
        return Err("usage: read-through DIR DRIVER ID SOURCE [replace]".into());
    };
    let cache = ImageCache::open(Config::builder(dir).driver(driver).build()?)?;
    if !replace.is_empty() {
        cache.delete_cached_image(id)?;
    }
    let _ = writeln!(io::stderr(), "open");
    let source = PathBuf::from(source);
    let expected = Expected::nothing().with_size(source.metadata()?.len());
    let mut reader = cache.get_or_fetch(id, expected, move || File::open(source))?;
    let mut out = io::stdout().lock();
    io::copy(&mut reader, &mut out)?;
    if !matches!(reader.outcome(), Some(Outcome::Cached(_) | Outcome::AlreadyCached)) {
        let _ = writeln!(io::stderr(), "not cached: {:?}", reader.outcome());
    }
    Ok(out.flush()?)
}
