//! A program that embeds the cache: reads an image through it to standard output, from the cache or from a source.
//!
//! `read-through DIR DRIVER ID SOURCE`; says "open" on standard error once the cache is open.

use image_cache::{Config, Expected, ImageCache};
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
    match cache.open_for_read(id)? {
        Some(mut cached) => io::copy(&mut cached, &mut out)?,
        None => {
            let source = File::open(source)?;
            let expected = Expected::nothing().with_size(source.metadata()?.len());
            io::copy(&mut cache.caching_reader(id, source, expected)?, &mut out)?
        }
    };
    Ok(out.flush()?)
}
