//! Drivers that are refused before their first call.

use image_cache_tests::Tested;
use image_cache_tests::hostile::Harness;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

pub fn starts_endlessly(harness: Harness) -> Tested {
    harness.with_little_guest_time().assert_refused(&["instantiate was cut short", "50ms"])
}

pub fn imports_what_nobody_granted(harness: Harness) -> Tested {
    let harness = harness.with(|driver| driver.grants.clear());
    harness.assert_refused(&[
        "image-cache:driver/sql@1.1.0",
        "image-cache:driver/attributes@1.1.0",
        "image-cache:driver/files@1.1.0",
        "grants = [\"sql\", \"attributes\", \"files\"]",
    ])
}

pub fn weighs_a_hundred_megabytes(harness: Harness) -> Tested {
    let scratch = tempfile::tempdir()?;
    let path = |bytes| heavier(&harness, &scratch.path().join(format!("{bytes}.wasm")), bytes);
    // The added data is meaningless: a small part of it is accepted.
    let (light, heavy) = (path(1 << 20)?, path(100_000_000)?);
    Harness::of("weighs_a_hundred_megabytes")
        .with(|driver| driver.component = light)
        .assert_harmless()?;
    harness.with(|driver| driver.component = heavy).assert_refused(&["32 MiB"])
}

pub fn is_made_of_many_instances(harness: Harness) -> Tested {
    let scratch = tempfile::tempdir()?;
    let path =
        |count| with_instances(&harness, &scratch.path().join(format!("{count}.wasm")), count);
    let (few, many) = (path(3)?, path(40)?);
    let made_of = |component: &Path| {
        let component = component.to_owned();
        Harness::of("is_made_of_many_instances").with(|driver| driver.component = component)
    };
    made_of(&few).assert_harmless()?;
    made_of(&many).with(|driver| driver.limits.instances = 60).assert_harmless()?;
    harness.with(|driver| driver.component = many).assert_refused(&[
        "instance",
        "it may have 32",
        "raise `limits.instances`",
    ])
}

/// The guest with an empty module, and this number of instances of it.
fn with_instances(harness: &Harness, path: &Path, count: u32) -> Tested<PathBuf> {
    const MODULE: [u8; 8] = *b"\0asm\x01\0\0\0";
    let mut component = fs::read(&harness.driver().component)?;
    let modules = sections(&component).filter(|kind| *kind == 1).count() as u32;
    component.extend([1, MODULE.len() as u8]);
    component.extend(MODULE);
    // Each entry instantiates this module without arguments.
    let one = [&[0][..], &leb128(modules), &[0]].concat();
    let instances = [leb128(count), one.repeat(count as usize)].concat();
    component.push(2);
    component.extend(leb128(instances.len() as u32));
    component.extend(instances);
    fs::write(path, component)?;
    Ok(path.to_owned())
}

/// The kinds of a component's sections, in order.
fn sections(component: &[u8]) -> impl Iterator<Item = u8> {
    let mut rest = component.get(8..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (kind, after) = rest.split_first()?;
        let digits = after.iter().position(|byte| byte & 0x80 == 0)? + 1;
        let digit = |(n, byte): (usize, &u8)| usize::from(byte & 0x7f) << (7 * n);
        let size: usize = after[..digits].iter().enumerate().map(digit).sum();
        rest = after.get(digits + size..)?;
        Some(*kind)
    })
}

/// The guest with a section of this number of zeros, which is ignored.
fn heavier(harness: &Harness, path: &Path, bytes: u32) -> Tested<PathBuf> {
    let mut component = fs::read(&harness.driver().component)?;
    component.push(0);
    component.extend(leb128(bytes));
    let mut file = File::create(path)?;
    file.write_all(&component)?;
    file.set_len(component.len() as u64 + u64::from(bytes))?;
    Ok(path.to_owned())
}

/// A number in WebAssembly's encoding.
fn leb128(mut number: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}
