//! The example in C: uses `wit-bindgen`'s C generator, and clang from Zig's package on PyPI.

use super::context::{BuildContext, Example, empty_directory, files, run, write};
use anyhow::{Context, Result};
use image_cache_guest_toolchain::{Component, without_debug_info};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use wit_bindgen_core::Files;
use wit_bindgen_core::wit_parser::Resolve;

pub(super) const TTL: Example =
    Example { name: "ttl-c", recipe: include_str!("c.rs"), toolchain: zig, build };

/// Zig contains clang and a C library for WebAssembly, can be installed without root, and is the same everywhere.
const ZIG: &str = "0.17.1";

/// The names of the interfaces in the generated C, instead of `image_cache_driver_files` and the like.
const NAMES: [&str; 7] = ["types", "driver", "log", "capacity", "sql", "attributes", "files"];

/// The stack of an instance in bytes: Zig's default is 16 MiB, a quarter of a driver's memory limit.
const STACK: &str = "-Wl,-z,stack-size=131072";

const FLAGS: [&str; 10] = [
    "cc",
    "-target",
    "wasm32-wasi",
    "-mexec-model=reactor",
    "-Os",
    // Without this the compiler removes the names of functions, too.
    "-g",
    "-std=c17",
    "-Wall",
    "-Wextra",
    "-Werror",
];

fn zig(context: &BuildContext) -> Result<PathBuf> {
    let directory = context.target.join(format!("zig-{ZIG}"));
    let zig = directory.join("ziglang/zig");
    if !zig.is_file() {
        println!(
            "Installing Zig {ZIG} from PyPI, the C compiler of an example driver (100 MB to fetch, 410 MB on disk), in {}",
            directory.display()
        );
        let part = directory.with_extension("part");
        empty_directory(&part)?;
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        pip.args([
            "--retries",
            "2",
            "--no-compile",
            "--no-deps",
            "--only-binary",
            ":all:",
            "--target",
        ])
        .arg(&part);
        pip.arg(format!("ziglang=={ZIG}"));
        run(&mut pip)?;
        let _ = fs::remove_dir_all(&directory);
        fs::rename(&part, &directory).with_context(|| format!("naming {}", directory.display()))?;
    }
    run(Command::new(&zig).arg("version"))?;
    Ok(zig)
}

fn build(context: &BuildContext, zig: &Path) -> Result<Component> {
    let generated = context.target.join("ttl-c");
    empty_directory(&generated)?;
    generate(&context.root.join("wit"), &generated)?;
    let module = generated.join("module.wasm");
    let mut cc = Command::new(zig);
    for cache in ["ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR"] {
        cc.env(cache, context.target.join("zig-cache"));
    }
    cc.args(FLAGS).arg(STACK).arg("-I").arg(&generated).arg("-o").arg(&module);
    let sources = files(&context.source("ttl-c"))?;
    cc.args(sources.iter().filter(|path| path.extension().is_some_and(|ending| ending == "c")));
    cc.args(["driver.c", "driver_component_type.o"].map(|name| generated.join(name)));
    run(&mut cc)?;
    write(&module, &without_debug_info(&fs::read(&module)?)?)?;
    Component::of_module("ttl-c", &module)
}

/// Writes `driver.h`, `driver.c` and `driver_component_type.o`.
fn generate(wit: &Path, to: &Path) -> Result<()> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(wit)?;
    let world = resolve.select_world(&[package], Some("image-cache-driver"))?;
    let rename = NAMES.map(|name| (format!("image-cache:driver/{name}@1.1.0"), name.to_owned()));
    let options = wit_bindgen_c::Opts {
        rename: rename.into(),
        rename_world: Some("driver".into()),
        ..wit_bindgen_c::Opts::default()
    };
    let mut generated = Files::default();
    options.build().generate(&mut resolve, world, &mut generated)?;
    generated.iter().try_for_each(|(name, content)| write(&to.join(name), content))
}
