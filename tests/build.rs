//! Builds the guests of the tests, passes their paths to the tests, and creates the table of the hostile ones.

use anyhow::{Context, Result};
use image_cache_guest_toolchain::{
    Guest, Toolchain, Workspace, build, build_examples, build_script,
};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const GUESTS: [Guest; 6] = [
    Guest { package: "image-cache-guest-faulty", directory: "tests/guests/faulty" },
    Guest { package: "image-cache-guest-listener", directory: "tests/guests/listener" },
    // The tests also use it as a driver of a third party.
    Guest { package: "image-cache-driver-gdsf", directory: "drivers/gdsf" },
    Guest { package: "image-cache-driver-cost", directory: "drivers/examples/cost-rs" },
    Guest { package: "image-cache-driver-expiry", directory: "drivers/examples/expiry-rs" },
    Guest { package: "image-cache-driver-quota", directory: "drivers/examples/quota-rs" },
];

const HOSTILE: Guest =
    Guest { package: "image-cache-guest-hostile", directory: "tests/guests/hostile" };

/// It imports WASI, which no driver of the project does.
const PRINTING: Guest =
    Guest { package: "image-cache-guest-printing", directory: "tests/guests/printing" };

fn main() -> ExitCode {
    match guests().and_then(|()| guest_of_wasi()).and_then(|()| hostile_guests()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn guests() -> Result<()> {
    // The directory to which `cargo xtask` writes the example drivers in other languages.
    let examples = Workspace::of_this_package()?.target.join("examples");
    println!("cargo::rustc-env=EXAMPLES={}", examples.display());
    for path in build_script(&GUESTS)? {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().to_uppercase();
        println!("cargo::rustc-env=GUEST_{name}={}", path.display());
    }
    Ok(())
}

fn guest_of_wasi() -> Result<()> {
    let workspace = Workspace::of_this_package()?;
    println!("cargo::rerun-if-changed={}", workspace.root.join(PRINTING.directory).display());
    let out = PathBuf::from(std::env::var_os("OUT_DIR").context("OUT_DIR is not set")?);
    let path = out.join(PRINTING.short_name()).with_extension("wasm");
    for component in build(&Toolchain::find()?, &workspace, &[PRINTING])? {
        fs::write(&path, component.bytes).context("writing the guest of WASI")?;
    }
    println!("cargo::rustc-env=GUEST_PRINTING={}", path.display());
    Ok(())
}

/// One guest for each file in `examples/` and in `text/`: the test that needs a guest in `text/` compiles it.
fn hostile_guests() -> Result<()> {
    let workspace = Workspace::of_this_package()?;
    let directory = workspace.root.join(HOSTILE.directory);
    println!("cargo::rerun-if-changed={}", directory.display());
    let (compiled, written) =
        (names(&directory.join("examples"))?, names(&directory.join("text"))?);
    let components = build_examples(&Toolchain::find()?, &workspace, HOSTILE, &compiled)?;
    let out = PathBuf::from(std::env::var_os("OUT_DIR").context("OUT_DIR is not set")?);
    let modules = out.join("hostile");
    fs::create_dir_all(&modules)?;
    for component in components {
        let component = component.confined()?;
        fs::write(modules.join(&component.package).with_extension("wasm"), &component.bytes)?;
    }
    println!("cargo::rustc-env=HOSTILE_GUESTS={}", modules.display());
    let all = [compiled, written].concat().join(" ");
    fs::write(out.join("hostile.rs"), table(&all)).context("writing the table of hostile guests")
}

/// The names of the files in a directory, without extensions.
fn names(directory: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(directory).with_context(|| directory.display().to_string())?;
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| Some(entry.path().file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort_unstable();
    Ok(names)
}

fn table(names: &str) -> String {
    format!(
        "/// Calls the macro `$then` with the tokens after its name, and the names of all hostile guests.\n\
         #[macro_export]\n\
         macro_rules! for_each_hostile_guest {{\n    \
             ($then:ident $($with:tt)*) => {{ $then! {{ $($with)* {names} }} }};\n\
         }}\n"
    )
}
