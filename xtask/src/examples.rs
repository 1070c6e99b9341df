//! The example drivers: those in other languages than Rust are built here, each by its own toolchain, and all components are
//! put where the tests and their readers look for them.
//!
//! A toolchain is installed below `target/` and nowhere else, so that nothing of the machine changes and deleting the directory undoes it.
//! Where one cannot be had, its example is left out aloud; where one is there, a driver that does not compile is an error.

mod c;
mod javascript;

use crate::drivers::show;
use anyhow::{Context, Result, bail};
use image_cache_guest_toolchain::{Component, Workspace};
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Instant, SystemTime};

/// An example driver and how it becomes a component.
struct Example {
    /// Its directory in `drivers/examples/`, and its component's name.
    name: &'static str,
    /// This recipe's source: another recipe makes another component.
    recipe: &'static str,
    /// Finds or installs what compiles it.
    toolchain: fn(&Shop) -> Result<PathBuf>,
    /// Compiles it with that.
    build: fn(&Shop, toolchain: &Path) -> Result<Component>,
}

const EXAMPLES: [Example; 2] = [c::TTL, javascript::LRFU];

/// Where the examples lie and where they are built.
struct Shop {
    /// The workspace's directory.
    root: PathBuf,
    /// For toolchains, what is generated, and components.
    target: PathBuf,
}

/// Builds the examples that are not built by the workspace's own toolchain, and shows each.
pub fn build_and_show() -> Result<()> {
    let shop = Shop::new()?;
    for example in EXAMPLES {
        let start = Instant::now();
        if let Some(component) = shop.component(&example)? {
            show(&component);
            println!("  in {:.1} s", start.elapsed().as_secs_f64());
            component.confined()?;
        }
    }
    Ok(())
}

/// Puts an example that was built elsewhere beside the others.
pub fn keep(name: &str, component: &Component) -> Result<()> {
    let shop = Shop::new()?;
    write(&shop.target.join(format!("{name}.wasm")), &component.bytes)
}

impl Shop {
    fn new() -> Result<Shop> {
        let workspace = Workspace::of_this_package()?;
        let target = workspace.target.join("examples");
        fs::create_dir_all(&target).with_context(|| format!("making {}", target.display()))?;
        Ok(Shop { root: workspace.root, target })
    }

    fn source(&self, example: &str) -> PathBuf {
        self.root.join("drivers/examples").join(example)
    }

    /// The component, new or as it was; none, said aloud, where its toolchain is not to be had.
    fn component(&self, example: &Example) -> Result<Option<Component>> {
        let path = self.target.join(format!("{}.wasm", example.name));
        let stamp = path.with_extension("inputs");
        let inputs = self.inputs(example)?;
        if fs::read_to_string(&stamp).is_ok_and(|before| before == inputs)
            && let Ok(bytes) = fs::read(&path)
        {
            // The tests hold its age against the sources'.
            File::open(&path)?.set_modified(SystemTime::now())?;
            return Component::of_bytes(example.name, bytes).map(Some);
        }
        for old in [&stamp, &path] {
            let _ = fs::remove_file(old);
        }
        let toolchain = match (example.toolchain)(self) {
            Ok(toolchain) => toolchain,
            Err(why) => {
                println!("SKIPPED: the example driver {} is not built: {why:#}", example.name);
                return Ok(None);
            }
        };
        let component = (example.build)(self, &toolchain)
            .with_context(|| format!("building the example driver {}", example.name))?;
        write(&path, &component.bytes)?;
        write(&stamp, inputs.as_bytes())?;
        Ok(Some(component))
    }

    /// Everything that a component is made of, in a few digits.
    fn inputs(&self, example: &Example) -> Result<String> {
        let mut hasher = DefaultHasher::new();
        example.recipe.hash(&mut hasher);
        for directory in [self.root.join("wit"), self.source(example.name)] {
            for file in files(&directory)? {
                (file.file_name(), fs::read(&file)?).hash(&mut hasher);
            }
        }
        Ok(format!("{:016x}", hasher.finish()))
    }
}

/// The files in a directory, in order.
fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        directory.read_dir().with_context(|| format!("reading {}", directory.display()))?;
    let paths: std::io::Result<Vec<PathBuf>> = entries.map(|entry| Ok(entry?.path())).collect();
    let mut files: Vec<PathBuf> = paths?.into_iter().filter(|path| path.is_file()).collect();
    files.sort();
    Ok(files)
}

/// Makes a directory anew, with nothing in it.
fn empty_directory(path: &Path) -> Result<()> {
    if path.exists() {
        fs::remove_dir_all(path).with_context(|| format!("removing {}", path.display()))?;
    }
    fs::create_dir_all(path).with_context(|| format!("making {}", path.display()))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let copied = fs::copy(from, to);
    copied.map(drop).with_context(|| format!("copying {} to {}", from.display(), to.display()))
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).with_context(|| format!("writing {}", path.display()))
}

/// Runs a command, and shows what it said only where it fails.
fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("{program} does not run"))?;
    if output.status.success() {
        return Ok(());
    }
    let words = [output.stdout, output.stderr].concat();
    bail!("{program} failed ({}): {}", output.status, String::from_utf8_lossy(&words).trim())
}
