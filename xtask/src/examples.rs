//! The example drivers, in languages other than Rust. Builds each with its own toolchain, and copies the components to the
//! directory where the tests look for them.
//!
//! A toolchain is installed only below `target/`, so the installation does not change the machine, and deleting the directory
//! removes it. If a toolchain cannot be installed, its example is skipped with a message; if it is installed and the driver does
//! not compile, this is an error.

mod c;
pub mod context;
mod javascript;
mod python;

use crate::components::print_component;
use anyhow::{Context, Result};
use context::{BuildContext, Example, files, write};
use image_cache_guest_toolchain::Component;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Instant, SystemTime};

const EXAMPLES: [Example; 2] = [c::TTL, javascript::LRFU];

/// Examples that take longer to build: only a full run tests them.
const LONG_EXAMPLES: [Example; 1] = [python::LRU2];

/// Builds the examples that the workspace's own toolchain does not build, and shows each.
pub fn build_and_show() -> Result<()> {
    build_all(&EXAMPLES)
}

/// The same for the examples that take longer.
pub fn build_and_show_long() -> Result<()> {
    build_all(&LONG_EXAMPLES)
}

fn build_all(examples: &[Example]) -> Result<()> {
    let context = BuildContext::new()?;
    for example in examples {
        let start = Instant::now();
        if let Some(component) = component(&context, example)? {
            print_component(&component);
            println!("  in {:.1} s", start.elapsed().as_secs_f64());
            component.confined()?;
        }
    }
    Ok(())
}

/// The component, which is built if its inputs changed; `None`, with a message, if its toolchain cannot be installed.
fn component(context: &BuildContext, example: &Example) -> Result<Option<Component>> {
    let path = context.target.join(format!("{}.wasm", example.name));
    let stamp = path.with_extension("inputs");
    let inputs = inputs(context, example)?;
    if fs::read_to_string(&stamp).is_ok_and(|before| before == inputs)
        && let Ok(bytes) = fs::read(&path)
    {
        // The tests compare its modification time with those of the sources.
        File::open(&path)?.set_modified(SystemTime::now())?;
        return Component::of_bytes(example.name, bytes).map(Some);
    }
    for old in [&stamp, &path] {
        let _ = fs::remove_file(old);
    }
    let toolchain = match (example.toolchain)(context) {
        Ok(toolchain) => toolchain,
        Err(why) => {
            println!("SKIPPED: the example driver {} is not built: {why:#}", example.name);
            return Ok(None);
        }
    };
    let component = (example.build)(context, &toolchain)
        .with_context(|| format!("building the example driver {}", example.name))?;
    write(&path, &component.bytes)?;
    write(&stamp, inputs.as_bytes())?;
    Ok(Some(component))
}

/// A digest of all inputs of a component.
fn inputs(context: &BuildContext, example: &Example) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    example.recipe.hash(&mut hasher);
    for directory in [context.root.join("wit"), context.source(example.name)] {
        for file in files(&directory)? {
            (file.file_name(), fs::read(&file)?).hash(&mut hasher);
        }
    }
    Ok(format!("{:016x}", hasher.finish()))
}
