//! The packages that cargo has made, and their unpacked sources.

use crate::examples::context::{empty_directory, run};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A package.
pub struct Unpacked {
    /// The file that a registry would get.
    pub file: PathBuf,
    /// `NAME-VERSION`, as its folder is named.
    pub name: String,
}

impl Unpacked {
    /// That of this file.
    pub fn new(file: &Path) -> Result<Unpacked> {
        let name = file.file_stem().and_then(|name| name.to_str()).context("a package's name")?;
        Ok(Unpacked { file: file.to_owned(), name: name.to_owned() })
    }

    /// Writes its sources to its folder in this one. Their time is now: all files in a package have the same old time, and cargo
    /// would not notice that they changed.
    pub fn unpack_into(&self, folder: &Path) -> Result<()> {
        run(Command::new("tar").arg("-xmzf").arg(&self.file).arg("-C").arg(folder))
    }
}

/// Unpacks all of them into an empty folder.
pub fn unpack(folder: &Path, files: &[PathBuf]) -> Result<Vec<Unpacked>> {
    empty_directory(folder)?;
    let packages: Result<Vec<Unpacked>> = files.iter().map(|file| Unpacked::new(file)).collect();
    let packages = packages?;
    packages.iter().try_for_each(|package| package.unpack_into(folder))?;
    Ok(packages)
}
