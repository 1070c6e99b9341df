//! `driver build`: compiles a driver's crate to a component, with an installed toolchain.

use super::manifest::{MANIFEST, with_manifest};
use crate::exit::{Code, print_message};
use crate::output::{Format, facts, size};
use anyhow::{Context, Result, bail};
use clap::Args;
use image_cache_guest_toolchain::{Component, TARGET, Toolchain};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::{env, fs};

#[derive(Debug, Args)]
pub struct BuildArgs {
    /// The crate's folder
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
    /// The file of the component [default: NAME.wasm in the crate's folder]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Keep debug information: the backtrace of a trap then has files and lines, and the component is larger
    #[arg(long)]
    debug: bool,
    /// Install a toolchain for WebAssembly if none is found: by rustup, or Debian's packages
    #[arg(long)]
    install: bool,
}

/// The output of `driver build`.
#[derive(Serialize)]
struct BuildAnswer {
    component: PathBuf,
    size: u64,
    imports: Vec<String>,
}

/// The part of cargo's messages that states what was built from a package.
#[derive(Deserialize)]
struct Artifact {
    manifest_path: PathBuf,
    filenames: Vec<PathBuf>,
}

/// The part of a manifest that is needed here.
struct Crate {
    folder: PathBuf,
    name: String,
    profile: &'static str,
}

pub fn build(format: Format, args: &BuildArgs) -> Result<Code> {
    let driver = Crate::read(&args.folder)?;
    let toolchain = if args.install {
        Toolchain::find_or_install(|words| print_message("note", words))?
    } else {
        Toolchain::find().context("cannot build (--install installs a toolchain)")?
    };
    let module = compile(&driver, &toolchain, args.debug)?;
    let component = Component::of_module(&driver.name, &module)?;
    let component = match fs::exists(driver.folder.join(MANIFEST))? {
        true => with_manifest(component, &driver.folder.join(MANIFEST))?,
        false => component,
    };
    let path = args.output.clone();
    let path = path.unwrap_or_else(|| {
        // `.` adds nothing to a path.
        let folder = args.folder.strip_prefix(".").unwrap_or(&args.folder);
        folder.join(format!("{}.wasm", driver.name))
    });
    fs::write(&path, &component.bytes)
        .with_context(|| format!("cannot write {}", path.display()))?;
    let bytes = component.bytes.len() as u64;
    let built = BuildAnswer { component: path, size: bytes, imports: component.imports };
    format.print(&built, |built| {
        facts([
            ("component", built.component.display().to_string()),
            ("size", size(built.size)),
            ("imports", built.imports.join("\n")),
        ])
    })?;
    Ok(Code::Done)
}

impl Crate {
    fn read(folder: &Path) -> Result<Crate> {
        let manifest = folder.join("Cargo.toml");
        let shown = manifest.display();
        let text = fs::read_to_string(&manifest).with_context(|| {
            format!(
                "cannot read {shown}: specify the directory of a driver's crate, or create one with \
                 `image-cache driver new NAME`"
            )
        })?;
        let table: toml::Table = text.parse().with_context(|| format!("{shown} is no manifest"))?;
        let name = table.get("package").and_then(|package| package.get("name"));
        let Some(name) = name.and_then(toml::Value::as_str) else {
            bail!("{shown} describes no package: specify the directory of a driver's crate");
        };
        // The template's profile, if the crate still has it.
        let has_own = table.get("profile").is_some_and(|profiles| profiles.get("guest").is_some());
        Ok(Crate {
            folder: folder
                .canonicalize()
                .with_context(|| format!("cannot use {}", folder.display()))?,
            name: name.to_owned(),
            profile: if has_own { "guest" } else { "release" },
        })
    }
}

/// Runs cargo, with its output on standard error. Returns the module that it built.
fn compile(driver: &Crate, toolchain: &Toolchain, has_debug: bool) -> Result<PathBuf> {
    let mut command = toolchain.cargo();
    command.current_dir(&driver.folder);
    if has_debug {
        // These override the profile in the manifest.
        let profile = driver.profile.to_uppercase();
        command.env(format!("CARGO_PROFILE_{profile}_DEBUG"), "line-tables-only");
        command.env(format!("CARGO_PROFILE_{profile}_STRIP"), "none");
    }
    command.args(["build", "--lib", "--profile", driver.profile, "--target", TARGET]);
    command.args(["--message-format", "json-render-diagnostics"]);
    if let Some(target) = target_directory() {
        command.arg("--target-dir").arg(target);
    }
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("{} does not run", command.get_program().display()))?;
    if !output.status.success() {
        bail!("compiling {} with {toolchain} failed; see its messages above", driver.name);
    }
    module(&output.stdout, &driver.folder.join("Cargo.toml")).with_context(|| {
        format!(
            "{} produced no WebAssembly module: its Cargo.toml needs `[lib]` with `crate-type = [\"cdylib\"]`",
            driver.name
        )
    })
}

/// The module of the package in cargo's messages, one JSON object per line.
fn module(messages: &[u8], manifest: &Path) -> Option<PathBuf> {
    let artifacts = messages
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Artifact>(line).ok());
    let mut files = artifacts
        .filter(|artifact| artifact.manifest_path == manifest)
        .flat_map(|artifact| artifact.filenames);
    files.find(|file| file.extension().is_some_and(|extension| extension == "wasm"))
}

/// Cargo's own variable: the toolchain removes it from the environment of the nested cargo.
fn target_directory() -> Option<PathBuf> {
    let named = env::var_os("CARGO_TARGET_DIR").filter(|named: &OsString| !named.is_empty())?;
    std::path::absolute(named).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_is_found_in_cargo_s_messages() {
        let messages = br#"{"reason":"compiler-artifact","manifest_path":"/d/sdk/Cargo.toml","filenames":["/t/sdk.rlib"]}
{"reason":"compiler-message","message":{}}
no JSON
{"reason":"compiler-artifact","manifest_path":"/d/Cargo.toml","filenames":["/t/d.d","/t/d.wasm"]}
{"reason":"build-finished","success":true}
"#;
        let found = module(messages, Path::new("/d/Cargo.toml"));
        assert_eq!(found, Some(PathBuf::from("/t/d.wasm")));
        assert_eq!(module(messages, Path::new("/other/Cargo.toml")), None);
    }
}
