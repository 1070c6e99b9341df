//! Functions for build scripts that embed guests.

use crate::{Component, Guest, Toolchain, Workspace, build};
use anyhow::{Context, Result};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// The inputs of every guest, in addition to its own directory.
const SHARED: [&str; 4] = ["wit", "drivers/sdk", "Cargo.toml", "Cargo.lock"];

/// The folder of a package with the components of its guests; `cargo xtask package` writes them.
const PACKAGED: &str = "drivers";

/// Writes each guest to `OUT_DIR/NAME.wasm`, where NAME is its [short name](Guest::short_name), and returns these paths.
/// Tells cargo when to run the script again. Each guest may import only the project's own interfaces.
///
/// In a checkout, and in that of a git dependency, it compiles the guests. A package that lies alone contains them as components,
/// and needs no toolchain.
///
/// The script of such a package still depends on this crate. All crates that this one uses are compiled for the macros of wasmtime
/// anyway, and the command line needs it as well, to build the drivers of its users. So it is published, and costs a package
/// about a second; a package with a build script of its own would differ from what is tested.
pub fn build_script(guests: &[Guest]) -> Result<Vec<PathBuf>> {
    let out = PathBuf::from(
        env::var_os("OUT_DIR").context("OUT_DIR is not set: this is for build scripts")?,
    );
    let components = match Workspace::with_sources_of(guests)? {
        Some(workspace) => compiled(&workspace, guests)?,
        None => packaged(guests)?,
    };
    let write = |(guest, component): (&Guest, Component)| {
        let component = component.confined()?;
        let path = out.join(format!("{}.wasm", guest.short_name()));
        fs::write(&path, &component.bytes)
            .with_context(|| format!("writing {}", path.display()))?;
        Ok(path)
    };
    guests.iter().zip(components).map(write).collect()
}

fn compiled(workspace: &Workspace, guests: &[Guest]) -> Result<Vec<Component>> {
    let directories = guests.iter().map(|guest| guest.directory);
    for path in SHARED.into_iter().chain(directories) {
        println!("cargo::rerun-if-changed={}", workspace.root.join(path).display());
    }
    let toolchain = Toolchain::find()
        .context("in a checkout, `cargo xtask drivers` installs a toolchain for drivers")?;
    build(&toolchain, workspace, guests)
}

fn packaged(guests: &[Guest]) -> Result<Vec<Component>> {
    let package = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
    let read = |guest: &Guest| {
        let path = component_in(Path::new(&package), guest);
        println!("cargo::rerun-if-changed={}", path.display());
        let bytes = fs::read(&path).with_context(|| missing(&path))?;
        Component::of_bytes(guest.package, bytes)
    };
    guests.iter().map(read).collect()
}

/// Where a package has the component of a guest.
pub fn component_in(package: &Path, guest: &Guest) -> PathBuf {
    package.join(PACKAGED).join(format!("{}.wasm", guest.short_name()))
}

fn missing(path: &Path) -> String {
    format!(
        "{} cannot be read. This copy of the package has neither the built-in drivers as components, which a release from a registry \
         has, nor their sources around it, which a checkout has (`cargo vendor` takes only the package out of the checkout of a git \
         dependency). Use a release, or a path or git dependency on the whole repository",
        path.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_without_components_says_what_to_use_instead() {
        let guest = Guest { package: "image-cache-driver-s3-fifo", directory: "drivers/s3-fifo" };
        let path = component_in(Path::new("/vendor/image-cache-engine"), &guest);
        assert_eq!(path, Path::new("/vendor/image-cache-engine/drivers/s3-fifo.wasm"));
        let words = missing(&path);
        assert!(words.contains("s3-fifo.wasm") && words.contains("whole repository"), "{words}");
    }
}
