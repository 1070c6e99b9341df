//! The example in Python: componentize-py creates a component with CPython and the modules.

use super::context::{BuildContext, Example, copy, empty_directory, files, run};
use anyhow::{Context, Result};
use image_cache_guest_toolchain::Component;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(super) const LRU2: Example =
    Example { name: "lru2-py", recipe: include_str!("python.rs"), toolchain: packages, build };

const VERSION: &str = "0.25.1";

/// Installs componentize-py, and returns the directory of its packages.
fn packages(context: &BuildContext) -> Result<PathBuf> {
    let directory = context.target.join(format!("componentize-py-{VERSION}"));
    if !directory.join("bin/componentize-py").is_file() {
        println!(
            "Installing componentize-py {VERSION} from PyPI, which makes components of Python (40 MB to fetch), in {}",
            directory.display()
        );
        let part = directory.with_extension("part");
        empty_directory(&part)?;
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries"]);
        pip.args(["2", "--no-deps", "--only-binary", ":all:", "--target"]).arg(&part);
        pip.arg(format!("componentize-py=={VERSION}"));
        run(&mut pip)?;
        let _ = fs::remove_dir_all(&directory);
        fs::rename(&part, &directory).with_context(|| format!("naming {}", directory.display()))?;
    }
    run(componentize(&directory).arg("--version"))?;
    Ok(directory)
}

fn componentize(packages: &Path) -> Command {
    let mut command = Command::new("python3");
    command.arg(packages.join("bin/componentize-py")).env("PYTHONPATH", packages);
    command
}

fn build(context: &BuildContext, packages: &Path) -> Result<Component> {
    let place = context.target.join("lru2-py");
    empty_directory(&place)?;
    let package = place.join("wit/deps/image-cache-driver");
    empty_directory(&package)?;
    let source = context.source("lru2-py");
    copy(&source.join("world.wit"), &place.join("wit/world.wit"))?;
    for file in files(&context.root.join("wit"))? {
        copy(&file, &package.join(file.file_name().unwrap_or_default()))?;
    }
    for module in ["lru2.py", "records.py", "reporting.py"] {
        copy(&source.join(module), &place.join(module))?;
    }
    let mut command = componentize(packages);
    command.args(["-d", "wit", "-w", "lru2", "componentize", "--stub-wasi", "lru2"]);
    run(command.args(["-o", "component.wasm"]).current_dir(&place))?;
    Component::of_bytes("lru2-py", fs::read(place.join("component.wasm"))?)
}
