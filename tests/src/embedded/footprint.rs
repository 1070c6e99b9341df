//! What each step of a program with a cache adds to its process.

use super::process::{Memory, Signals, descriptors, say, threads};
use crate::{Tested, bytes, fill, read_all, serve};
use image_cache::{Config, Expected, ImageCache};
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

const IMAGE: usize = 4 << 20;
/// Readers that are open at the same time.
const READERS: usize = 10;

/// Prints threads, descriptors, signals and memory, step by step.
pub fn run(dir: &Path, signal_handlers: bool) -> Tested {
    let config = |name: &str| Config::builder(dir.join(name)).signal_handlers(signal_handlers);
    let signals = Signals::now();
    step("begin")?;
    // An earlier process has compiled the driver, as for a service that starts again.
    ready(config("ready").build()?)?;
    step("start")?;
    let memory = Memory::of_process()?.peak;
    let cache = ImageCache::open(config("one").hit_delay(Duration::from_secs(1)).build()?)?;
    step("open")?;
    let second = ImageCache::open(config("two").build()?)?;
    step("second")?;
    drop(second);
    let image = bytes(1, IMAGE);
    fill(&cache, "a", &image);
    step("filled")?;
    let mut readers = Vec::new();
    for _ in 0..READERS {
        let mut reader = cache.open_for_read("a")?.ok_or("it was cached")?;
        reader.read_exact(&mut [0; 100])?;
        readers.push(reader);
    }
    step("readers")?;
    drop(readers);
    let mut writer = cache.begin("b", Expected::nothing())?;
    writer.write_all(&image)?;
    step("writer")?;
    writer.finish()?;
    let source = image.clone();
    let mut fetched = cache.get_or_fetch("c", Expected::nothing(), move || Ok(&*source.leak()))?;
    fetched.read_exact(&mut vec![0; IMAGE / 2])?;
    step("fetch")?;
    assert!(read_all(fetched)?.len() == IMAGE / 2);
    assert!(serve(&cache, "a")? == image);
    step("hit")?;
    say("memory-kib", Memory::of_process()?.peak.saturating_sub(memory));
    say("signals", format!("{:?}", Signals::now().changed_since(&signals)?));
    drop(cache);
    // The thread that waits to write hits ends after its delay.
    std::thread::sleep(Duration::from_millis(1500));
    step("end")
}

/// Opens and closes a cache, so that its driver is compiled.
pub(super) fn ready(config: Config) -> Tested {
    let cache = ImageCache::open(config)?;
    fill(&cache, "a", b"an image");
    Ok(())
}

/// The threads by name, and the number of descriptors.
pub(super) fn step(name: &str) -> Tested {
    // A thread that was just started has not set its name yet.
    std::thread::sleep(Duration::from_millis(50));
    say(&format!("{name}-threads"), threads()?.join(","));
    say(&format!("{name}-descriptors"), descriptors()?);
    Ok(())
}
