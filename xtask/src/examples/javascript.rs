//! The example in JavaScript: componentize-qjs creates a component with QuickJS and the script.

use super::context::{BuildContext, Example, copy, empty_directory, files, run};
use anyhow::Result;
use image_cache_guest_toolchain::Component;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(super) const LRFU: Example =
    Example { name: "lrfu-js", recipe: include_str!("javascript.rs"), toolchain: packages, build };

/// Installs the packages in the example's lock file, whose digests npm checks. The lock file is copied last: it marks a complete
/// installation.
fn packages(context: &BuildContext) -> Result<PathBuf> {
    let (source, directory) = (context.source("lrfu-js"), context.target.join("npm"));
    let lock = "package-lock.json";
    let script = directory.join("node_modules/componentize-qjs/bin/componentize-qjs");
    let same = fs::read(directory.join(lock))
        .is_ok_and(|installed| fs::read(source.join(lock)).is_ok_and(|wanted| wanted == installed));
    if !same || !script.is_file() {
        println!(
            "Installing componentize-qjs from npm, which compiles JavaScript to a component (15 MB to fetch, 40 MB on disk), in {}",
            directory.display()
        );
        empty_directory(&directory)?;
        for name in ["package.json", lock] {
            copy(&source.join(name), &directory.join(name))?;
        }
        let mut npm = Command::new("npm");
        npm.args([
            "ci",
            "--fetch-retries=1",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--no-update-notifier",
        ]);
        if let Err(error) = run(npm.current_dir(&directory)) {
            let _ = fs::remove_file(directory.join(lock));
            return Err(error);
        }
    }
    run(Command::new("node").arg(&script).arg("--help"))?;
    Ok(script)
}

fn build(context: &BuildContext, script: &Path) -> Result<Component> {
    let source = context.source("lrfu-js");
    let wit = wit_of(context, &source)?;
    let built = context.target.join("lrfu-js/component.wasm");
    let mut node = Command::new("node");
    node.arg(script).arg("--wit").arg(wit).arg("--js").arg(source.join("driver.js"));
    // The host supports only the synchronous ABI, and the engine does not call WASI after its initialisation.
    node.args(["--world", "lrfu", "--sync", "--stub-wasi", "--output"]).arg(&built);
    run(&mut node)?;
    Component::of_bytes("lrfu-js", fs::read(built)?)
}

/// The world of the driver and the package of its interfaces, in the layout that the tools expect.
fn wit_of(context: &BuildContext, source: &Path) -> Result<PathBuf> {
    let wit = context.target.join("lrfu-js/wit");
    empty_directory(&context.target.join("lrfu-js"))?;
    let package = wit.join("deps/image-cache-driver");
    empty_directory(&package)?;
    copy(&source.join("world.wit"), &wit.join("world.wit"))?;
    for file in files(&context.root.join("wit"))? {
        copy(&file, &package.join(file.file_name().unwrap_or_default()))?;
    }
    Ok(wit)
}
