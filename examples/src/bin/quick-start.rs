//! Reads a file through a cache; the second time, it reads the image from the cache.
use image_cache::{Config, Expected, ImageCache};
use std::error::Error;
use std::fs::File;
use std::io::{self, Write};
use std::{env, process};

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [directory, file] = &arguments[..] else {
        eprintln!("usage: quick-start DIRECTORY FILE > COPY");
        process::exit(2);
    };
    if let Err(error) = read_through(directory, file.clone()) {
        eprintln!("quick-start: {file}: {error}");
        process::exit(1);
    }
}

fn read_through(directory: &str, file: String) -> Result<(), Box<dyn Error>> {
    let cache = ImageCache::open(Config::builder(directory).max_size(50 << 30).build()?)?;
    let mut image = cache.get_or_fetch("disk", Expected::nothing(), move || File::open(file))?;
    io::copy(&mut image, &mut io::stdout())?;
    Ok(io::stdout().flush()?)
}
