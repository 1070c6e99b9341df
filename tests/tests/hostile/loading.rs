//! Drivers that are stopped before their first call.

use image_cache_tests::Tested;
use image_cache_tests::siege::Siege;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

pub fn starts_endlessly(siege: Siege) -> Tested {
    siege.hurried().is_refused(&["instantiate was cut short", "50ms"])
}

pub fn imports_what_nobody_granted(siege: Siege) -> Tested {
    let siege = siege.with(|driver| driver.grants.clear());
    siege.is_refused(&[
        "image-cache:driver/sql@1.0.0",
        "image-cache:driver/attributes@1.0.0",
        "image-cache:driver/files@1.0.0",
        "grants = [\"sql\", \"attributes\", \"files\"]",
    ])
}

pub fn weighs_a_hundred_megabytes(siege: Siege) -> Tested {
    let scratch = tempfile::tempdir()?;
    let path = |bytes| heavier(&siege, &scratch.path().join(format!("{bytes}.wasm")), bytes);
    // What is added means nothing: a little of it is taken.
    let (light, heavy) = (path(1 << 20)?, path(100_000_000)?);
    Siege::by("weighs_a_hundred_megabytes")
        .with(|driver| driver.component = light)
        .is_harmless()?;
    siege.with(|driver| driver.component = heavy).is_refused(&["32 MiB"])
}

/// The guest with a section that nobody reads, of so many zeros.
fn heavier(siege: &Siege, path: &Path, bytes: u32) -> Tested<PathBuf> {
    let mut component = fs::read(&siege.driver().component)?;
    component.push(0);
    component.extend(leb128(bytes));
    let mut file = File::create(path)?;
    file.write_all(&component)?;
    file.set_len(component.len() as u64 + u64::from(bytes))?;
    Ok(path.to_owned())
}

/// A number as WebAssembly writes it.
fn leb128(mut number: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}
