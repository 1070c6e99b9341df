//! The hostile drivers of `tests/guests/hostile`: a table of all, and each as a component.

mod harness;

pub use harness::{Harness, MAX_SIZE};

use image_cache::{DriverConfig, Grant};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

include!(concat!(env!("OUT_DIR"), "/hostile.rs"));

/// The directory of the compiled drivers.
const COMPILED: &str = env!("HOSTILE_GUESTS");

/// The directory of the drivers in text form.
const TEXT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/guests/hostile/text");

/// The hostile driver of this name, with the usual grants: `sql`, `attributes` and `files`. If it is in text form, its component
/// is written to `scratch`.
pub fn hostile(name: &str, scratch: &TempDir) -> DriverConfig {
    let mut driver = DriverConfig::new(component(name, scratch.path()));
    driver.grants.extend([Grant::Sql, Grant::Attributes, Grant::Files]);
    driver
}

fn component(name: &str, scratch: &Path) -> PathBuf {
    let compiled = Path::new(COMPILED).join(name).with_extension("wasm");
    if compiled.is_file() {
        return compiled;
    }
    let text = fs::read_to_string(Path::new(TEXT).join(name).with_extension("wat"));
    let text = text.unwrap_or_else(|error| panic!("there is no hostile guest {name}: {error}"));
    let path = scratch.join(name).with_extension("wasm");
    fs::write(&path, encode(&text)).expect("the component can be written");
    path
}

/// Converts a core module in text form to a component.
fn encode(text: &str) -> Vec<u8> {
    let mut module = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"));
    let mut resolve = Resolve::default();
    let wit = concat!(env!("CARGO_MANIFEST_DIR"), "/../wit");
    let (package, _) = resolve.push_dir(wit).expect("the interface parses");
    let world =
        resolve.select_world(&[package], Some("image-cache-driver")).expect("the world is there");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .expect("it takes the metadata");
    let encoder = ComponentEncoder::default().module(&module);
    let encoded = encoder.and_then(|mut encoder| encoder.encode());
    encoded.unwrap_or_else(|error| panic!("{error:#}"))
}
