//! The steps of the demonstration: each runs a command and checks the result.

use crate::demo::image::Image;
use crate::demo::program::Program;
use crate::demo::table::Figures;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// The exit code for bytes that do not have the expected checksum.
const MISMATCH: i32 = 4;

/// The cache with one driver, and the image that is added to it.
struct Demo<'a> {
    driver: &'static str,
    image: &'a Image,
    program: Program,
    figures: &'a mut Figures,
}

/// Shows all steps with one driver.
pub fn show(
    binary: &Path,
    driver: &'static str,
    image: &Image,
    figures: &mut Figures,
) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let program =
        Program::new(binary, &["--cache-dir", text(directory.path())?, "--driver", driver]);
    let mut demo = Demo { driver, image, program, figures };
    println!("\nDriver {driver}");
    if demo.open()? {
        demo.bytes()?;
        demo.records()?;
        demo.corrupted()?;
        demo.prune()?;
    }
    Ok(())
}

/// Shows that sqlite replaces a driver that is not a component.
pub fn show_fallback(binary: &Path, image: &Image) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let config = broken_configuration(&directory)?;
    let program = Program::new(binary, &["--config", text(&config)?]);
    println!("\nA driver that is not a component");
    let (status, _) = program.json(&["status"])?;
    let driver = &status["driver"];
    ensure!(driver["name"] == "sqlite", "sqlite should replace it: {status}");
    ensure!(driver["fallback"]["configured"] == "broken", "no fallback is reported: {status}");
    println!("  sqlite replaces broken: {}", driver["fallback"]["reason"]);
    let (added, _) = program.json(&["add", "image", text(&image.path)?, "--md5", &image.md5])?;
    ensure!(added["cached"] == true, "the fallback does not cache: {added}");
    Ok(())
}

fn broken_configuration(directory: &TempDir) -> Result<std::path::PathBuf> {
    let path = |name: &str| directory.path().join(name);
    fs::write(path("broken.wasm"), "this is not a component")?;
    let config = format!(
        "image_cache_dir = {:?}\nimage_cache_driver = \"broken\"\n[drivers.broken]\ncomponent = \"broken.wasm\"\n",
        path("cache")
    );
    fs::write(path("image-cache.toml"), config)?;
    Ok(path("image-cache.toml"))
}

impl Demo<'_> {
    /// Opens the cache; returns false if the file system does not support the driver.
    fn open(&mut self) -> Result<bool> {
        let status = self.timed("open", &["status"])?;
        let fallback = &status["driver"]["fallback"];
        if !fallback.is_null() {
            println!("  driver {} cannot be shown here: {}", self.driver, fallback["reason"]);
        }
        Ok(fallback.is_null())
    }

    /// Fills the cache, and reads the image from it.
    fn bytes(&mut self) -> Result<()> {
        let Image { path, size, md5 } = self.image;
        let add = ["add", "image", text(path)?, "--md5", md5];
        let (added, took) = self.program.json(&add)?;
        self.figure("add, filling the cache", took, Some(*size));
        ensure!(added["cached"] == true && added["size"] == *size, "it is not cached: {added}");
        let took = self.program.compare(&["get", "image"], &mut File::open(path)?)?;
        self.figure("get, from the cache", took, Some(*size));
        println!("  the bytes are those of the image");
        Ok(())
    }

    /// Shows the driver's records (hits, list) and the queue.
    fn records(&mut self) -> Result<()> {
        let shown = self.timed("show, with the hit count", &["show", "image"])?;
        ensure!(shown["hits"] == 1, "the image was read once: {shown}");
        ensure!(shown["checksum"] == *self.image.md5, "another checksum: {shown}");
        let list = self.timed("list", &["list"])?;
        ensure!(list.as_array().map(Vec::len) == Some(1), "one image is cached: {list}");
        ensure!(list[0]["size"] == self.image.size, "another size: {list}");
        println!(
            "  {} bytes, {} hit, MD5 {}",
            list[0]["size"], list[0]["hits"], list[0]["checksum"]
        );
        let queued = self.timed("queue", &["queue", "add", "wanted-next", "image"])?;
        ensure!(queued[0]["queued"] == true, "an image that is not cached is queued: {queued}");
        ensure!(queued[1]["reason"] == "already-cached", "a cached one is not: {queued}");
        let (queue, _) = self.program.json(&["queue", "list"])?;
        ensure!(queue == json!([{"image_id": "wanted-next"}]), "another queue: {queue}");
        Ok(())
    }

    /// Flips one bit in the middle of the image while it is added.
    fn corrupted(&mut self) -> Result<()> {
        let Image { path, size, md5 } = self.image;
        let mut flipped = Flipped { source: File::open(path)?, position: 0, at: size / 2 };
        let size_text = size.to_string();
        let add = ["add", "corrupted", "-", "--md5", md5, "--size", &size_text];
        let refused = self.program.run(&add, &mut flipped)?;
        self.figure("corrupted add, refused", refused.took, Some(*size));
        let error = String::from_utf8_lossy(&refused.output.stderr);
        ensure!(refused.output.status.code() == Some(MISMATCH), "it was not refused: {error}");
        print!("  refused: {error}");
        let cleaned = self.timed("clean", &["clean"])?;
        ensure!(cleaned["invalid"] == 1, "the corrupted file should be removed: {cleaned}");
        Ok(())
    }

    /// Sets a limit of half the image's size, which evicts the image.
    fn prune(&mut self) -> Result<()> {
        let half = (self.image.size / 2).to_string();
        let pruned = self.timed("prune", &["prune", "--max-size", &half])?;
        println!("  evicted {} image, {} bytes", pruned["images"], pruned["bytes"]);
        ensure!(pruned["images"] == 1 && pruned["bytes"] == self.image.size, "another: {pruned}");
        let (list, _) = self.program.json(&["list"])?;
        ensure!(list == json!([]), "the image should be evicted: {list}");
        Ok(())
    }

    /// Runs a command that transfers no image, and records its time for the table.
    fn timed(&mut self, step: &'static str, arguments: &[&str]) -> Result<Value> {
        let (answer, took) = self.program.json(arguments)?;
        self.figure(step, took, None);
        Ok(answer)
    }

    fn figure(&mut self, step: &'static str, took: Duration, bytes: Option<u64>) {
        self.figures.add(self.driver, step, took, bytes);
    }
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}

/// A reader that flips one bit of its source.
struct Flipped {
    source: File,
    position: u64,
    at: u64,
}

impl Read for Flipped {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        let end = self.position + count as u64;
        if (self.position..end).contains(&self.at) {
            let index = usize::try_from(self.at - self.position).map_err(io::Error::other)?;
            buffer[index] ^= 1;
        }
        self.position = end;
        Ok(count)
    }
}
