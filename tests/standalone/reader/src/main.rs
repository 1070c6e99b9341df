//! Reads an image through a cache, then from it, and tries a driver for which this build has no grant.

use image_cache::{
    Config, DriverConfig, Expected, FallbackReason, Grant, ImageCache, LoadFault, Outcome,
};
use std::error::Error;
use std::io::{Cursor, Read};
use std::path::Path;

/// A component that imports `wasi:cli/environment@0.2.0`, and nothing else.
const NEEDS_WASI: &[u8] =
    b"\0asm\x0d\0\x01\0\x07\x03\x01\x42\0\x0a\x1f\x01\0\x1awasi:cli/environment@0.2.0\x05\0";

fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args_os().nth(1).ok_or("usage: reader DIRECTORY")?;
    let directory = Path::new(&directory);
    read_twice(directory)?;
    refuses_a_driver_that_needs_wasi(directory)
}

fn read_twice(directory: &Path) -> Result<(), Box<dyn Error>> {
    let cache = ImageCache::open(Config::builder(directory).max_size(1 << 20).build()?)?;
    let expected = Expected::nothing().with_size(5).with_md5("5d41402abc4b2a76b9719d911017c592")?;
    let mut reader = cache.caching_reader("greeting", Cursor::new(b"hello"), expected)?;
    let mut image = String::new();
    reader.read_to_string(&mut image)?;
    assert!(matches!(reader.outcome(), Some(Outcome::Cached(_))), "{:?}", reader.outcome());
    let mut cached = cache.open_for_read("greeting")?.ok_or("the image is not cached")?;
    let mut again = String::new();
    cached.read_to_string(&mut again)?;
    assert_eq!((image.as_str(), again.as_str()), ("hello", "hello"));
    assert_eq!(cache.driver().name, "sqlite");
    Ok(())
}

fn refuses_a_driver_that_needs_wasi(directory: &Path) -> Result<(), Box<dyn Error>> {
    let component = directory.with_extension("wasm");
    std::fs::write(&component, NEEDS_WASI)?;
    let mut driver = DriverConfig::new(component);
    driver.grants.insert(Grant::Wasi);
    let config = Config::builder(directory).define_driver("mine", driver).driver("mine").build()?;
    let fallback = ImageCache::open(config)?.driver().fallback.ok_or("it was not refused")?;
    let FallbackReason::Load(error) = &fallback.reason else {
        return Err(format!("another reason: {}", fallback.reason).into());
    };
    let missing = error.faults().iter().find_map(LoadFault::missing_feature);
    assert_eq!(missing, Some("wasi"), "{error}");
    Ok(())
}
