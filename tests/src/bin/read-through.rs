//! A program that embeds the cache: reads an image through it to standard output, from the cache or from a source.
//!
//! `read-through DIR DRIVER ID SOURCE`; says "open" on standard error once the cache is open.

use image_cache::{Config, Expected, ImageCache, Outcome};
use std::fs::File;
use std::io::{self, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> image_cache_tests::Tested {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dir, driver, id, source] = &arguments[..] else {
        return Err("usage: read-through DIR DRIVER ID SOURCE".into());
    };
    let cache = ImageCache::open(Config::builder(dir).driver(driver).build()?)?;
    let _ = writeln!(io::stderr(), "open");
    let mut out = io::stdout().lock();
    // A cache that cannot be looked into is no reason not to serve.
    if let Ok(Some(mut cached)) = cache.open_for_read(id) {
        io::copy(&mut cached, &mut out)?;
        return Ok(out.flush()?);
    }
    let source = File::open(source)?;
    let expected = Expected::nothing().with_size(source.metadata()?.len());
    let mut reader = cache.caching_reader(id, source, expected)?;
    io::copy(&mut reader, &mut out)?;
    if !matches!(reader.outcome(), Some(Outcome::Cached(_) | Outcome::AlreadyCached)) {
        let _ = writeln!(io::stderr(), "not cached: {:?}", reader.outcome());
    }
    Ok(out.flush()?)
}
