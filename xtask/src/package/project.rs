//! The project in `tests/standalone/`, outside of the workspace, as a service would have it that embeds the cache.

use super::published::published;
use crate::command::{cargo, step};
use crate::examples::context::{copy, empty_directory, write};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The project, and its files.
const PROJECT: &str = "tests/standalone";
const FILES: [&str; 5] =
    ["Cargo.toml", "reader/Cargo.toml", "reader/src/main.rs", "all/Cargo.toml", "all/src/lib.rs"];

/// The program of the book's page "Embedding", and its place in the project: its readers have only the packages as well.
const QUICK_START: [&str; 2] = ["examples/src/bin/quick-start.rs", "reader/src/bin/quick-start.rs"];

/// The manifest of its smallest program.
const READER: &str = "reader/Cargo.toml";

/// A copy of the project below the folder of this command.
pub struct Project {
    /// Its own folder.
    pub folder: PathBuf,
    /// Cargo's home for it.
    home: PathBuf,
    /// All copies share it: compiling wasmtime takes minutes.
    target: PathBuf,
}

impl Project {
    /// Copies it to `folder/name`. Its cargo has an empty home of its own: only what its configuration names can be used.
    pub fn copy(root: &Path, folder: &Path, name: &str) -> Result<Project> {
        let (project, home) = (folder.join(name), folder.join("cargo-home"));
        empty_directory(&project)?;
        for file in FILES {
            let to = project.join(file);
            fs::create_dir_all(to.parent().unwrap_or(&project))?;
            copy(&root.join(PROJECT).join(file), &to)?;
        }
        let [from, to] = QUICK_START.map(Path::new);
        fs::create_dir(project.join("reader/src/bin"))?;
        copy(&root.join(from), &project.join(to))?;
        fs::create_dir_all(&home).with_context(|| format!("making {}", home.display()))?;
        Ok(Project { folder: project, home, target: folder.join("target") })
    }

    /// The same with another home of cargo.
    pub fn with_home(self, home: PathBuf) -> Project {
        Project { home, ..self }
    }

    /// Our crates are those of these folders, not those of a registry.
    pub fn patch(&self, folder: &Path, names: &[String]) -> Result<()> {
        let mut patch = "\n[patch.crates-io]\n".to_owned();
        for name in published() {
            let directory = names.iter().find(|it| {
                let version = it.strip_prefix(name).and_then(|rest| rest.strip_prefix('-'));
                version.is_some_and(|version| {
                    version.starts_with(|first: char| first.is_ascii_digit())
                })
            });
            let directory = directory.with_context(|| format!("there is no package of {name}"))?;
            let path = folder.join(directory);
            patch += &format!("{name} = {{ path = {:?} }}\n", path.display().to_string());
        }
        self.append("Cargo.toml", &patch)
    }

    /// The smallest program takes the library from this git repository; the package with everything is left out.
    pub fn depend_on_git(&self, url: &str) -> Result<()> {
        let manifest = self.folder.join(READER);
        let text = fs::read_to_string(&manifest)?;
        let (version, git) = ("version = \"0.1.0\", default", format!("git = {url:?}, default"));
        if !text.contains(version) {
            bail!("{} does not have {version}", manifest.display());
        }
        write(&manifest, text.replace(version, &git).as_bytes())?;
        let workspace = self.folder.join("Cargo.toml");
        let text = fs::read_to_string(&workspace)?;
        write(&workspace, text.replace("\"reader\", \"all\"", "\"reader\"").as_bytes())
    }

    fn append(&self, file: &str, text: &str) -> Result<()> {
        let path = self.folder.join(file);
        let before = fs::read_to_string(&path)?;
        write(&path, (before + text).as_bytes())
    }

    /// Its cargo uses this configuration.
    pub fn configure(&self, configuration: &str) -> Result<()> {
        let folder = self.folder.join(".cargo");
        fs::create_dir_all(&folder)?;
        write(&folder.join("config.toml"), configuration.as_bytes())
    }

    /// Cargo in the project.
    pub fn cargo(&self, arguments: &[&str]) -> Command {
        let mut cargo = cargo(arguments);
        cargo.current_dir(&self.folder).env("CARGO_HOME", &self.home);
        cargo.env_remove("CARGO_TARGET_DIR").env_remove("RUSTFLAGS");
        cargo
    }

    /// Runs a command of cargo that builds, without a network.
    pub fn build(&self, name: &str, arguments: &[&str]) -> Result<()> {
        let mut cargo = self.cargo(arguments);
        cargo.args(["--offline", "--target-dir"]).arg(&self.target);
        cargo.env("CARGO_NET_OFFLINE", "true");
        step(name, cargo)
    }

    /// A program that was built.
    pub fn program(&self, name: &str) -> PathBuf {
        self.target.join("debug").join(name)
    }

    /// Where guests would be compiled.
    pub fn guests(&self) -> PathBuf {
        self.target.join("guests")
    }
}
