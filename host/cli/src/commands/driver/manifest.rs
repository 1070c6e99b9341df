//! A driver's manifest, `driver.toml`: read, checked and put into a component. `driver pack` does it for a component that `driver
//! build` did not make.

use crate::exit::Code;
use crate::output::{Format, facts, size};
use crate::output_file::OutputFile;
use anyhow::{Context, Result, bail};
use clap::Args;
use image_cache::{DriverManifest, Grant, MAX_MANIFEST, read_file};
use image_cache_guest_toolchain::Component;
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The name of the file.
pub const MANIFEST: &str = "driver.toml";

/// The largest component that is read: the highest value of `limits.component`.
pub const MAX_COMPONENT: u64 = 1 << 30;

#[derive(Debug, Args)]
pub struct PackArgs {
    /// The component
    #[arg(value_name = "FILE")]
    component: PathBuf,
    /// The manifest: name, author, version, description, grants, limits and options of the driver
    #[arg(long, value_name = "FILE", default_value = MANIFEST)]
    manifest: PathBuf,
    /// The file of the component with its manifest [default: the same file]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// The output of `driver pack`.
#[derive(Serialize)]
struct PackAnswer {
    component: PathBuf,
    size: u64,
    name: String,
    author: String,
    version: String,
}

pub fn pack(format: Format, args: &PackArgs) -> Result<Code> {
    let shown = args.component.display();
    let bytes = read_file(&args.component, MAX_COMPONENT)
        .with_context(|| format!("cannot read the component {shown}"))?;
    let component = Component::of_bytes(&shown.to_string(), bytes)?;
    let manifest = read(&args.manifest)?.0;
    let component = with_manifest(component, &args.manifest)?;
    let path = args.output.clone().unwrap_or_else(|| args.component.clone());
    write(&path, &component.bytes)?;
    let answer = PackAnswer {
        component: path,
        size: component.bytes.len() as u64,
        name: manifest.name,
        author: manifest.author,
        version: manifest.version,
    };
    format.print(&answer, |answer| {
        facts([
            ("component", answer.component.display().to_string()),
            ("size", size(answer.size)),
            ("name", answer.name.clone()),
            ("author", answer.author.clone()),
            ("version", answer.version.clone()),
        ])
    })?;
    Ok(Code::Done)
}

/// The component with the manifest in this file, which must be valid and name every grant that the component needs.
pub fn with_manifest(component: Component, path: &Path) -> Result<Component> {
    let (manifest, text) = read(path)?;
    let needs = |grant: &Grant| {
        let interface = match grant {
            Grant::Wasi => "wasi:".to_owned(),
            _ => format!("image-cache:driver/{grant}@"),
        };
        component.imports.iter().any(|import| import.starts_with(&interface))
    };
    let hidden =
        Grant::ALL.iter().copied().find(|grant| needs(grant) && !manifest.grants.contains(grant));
    if let Some(grant) = hidden {
        let shown = path.display();
        bail!("{shown}: the component imports {grant}, which `grants` does not name: add it");
    }
    component.with_manifest(&text)
}

/// The manifest in a file, and its text.
fn read(path: &Path) -> Result<(DriverManifest, String)> {
    let shown = path.display();
    let bytes = read_file(path, MAX_MANIFEST as u64)
        .with_context(|| format!("cannot read the manifest {shown}"))?;
    let text = String::from_utf8(bytes).with_context(|| format!("{shown} is not UTF-8"))?;
    let manifest = text.parse::<DriverManifest>().with_context(|| shown.to_string())?;
    Ok((manifest, text))
}

/// Writes a whole file, or none.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let written = OutputFile::create(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.commit()
    });
    written.with_context(|| format!("cannot write {}", path.display()))
}
