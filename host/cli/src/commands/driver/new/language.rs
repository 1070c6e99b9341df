//! The languages of a new driver. Those other than Rust begin with the source of an example driver.

use include_dir::{Dir, DirEntry, include_dir};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The name of every template.
pub const PLACEHOLDER: &str = "my-driver";

static RUST: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../drivers/templates/rust");
static C: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../drivers/templates/c");
static PYTHON: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../drivers/templates/python");
static JS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../drivers/templates/js");
static TTL: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../drivers/examples/ttl-c");
static LRU2: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../drivers/examples/lru2-py");
static LRFU: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../drivers/examples/lrfu-js");
static WIT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../wit");

/// The language of a new driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Language {
    /// A crate with the SDK: `driver build` makes the component
    Rust,
    /// Needs wit-bindgen, wasm-tools, and zig or clang
    C,
    /// Needs pip
    Python,
    /// Needs node and npm
    Js,
}

/// The example with which a driver begins.
struct Sample {
    sources: &'static Dir<'static>,
    /// The example's name in its source, and with a placeholder in its place.
    name: (&'static str, &'static str),
    /// The folder of the contract in the new driver's folder.
    contract: &'static str,
}

impl Language {
    /// The files of the template.
    pub fn template(self) -> &'static Dir<'static> {
        match self {
            Language::Rust => &RUST,
            Language::C => &C,
            Language::Python => &PYTHON,
            Language::Js => &JS,
        }
    }

    fn sample(self) -> Option<Sample> {
        let deps = "wit/deps/image-cache-driver";
        match self {
            Language::Rust => None,
            Language::C => Some(Sample {
                sources: &TTL,
                name: ("&ret->name, \"ttl\"", "&ret->name, \"my-driver\""),
                contract: "wit",
            }),
            Language::Python => Some(Sample {
                sources: &LRU2,
                name: ("Description(\"lru2\"", "Description(\"my-driver\""),
                contract: deps,
            }),
            Language::Js => Some(Sample {
                sources: &LRFU,
                name: ("name: \"lrfu\"", "name: \"my-driver\""),
                contract: deps,
            }),
        }
    }

    /// Writes the driver's sources and the contract, for a language other than Rust.
    pub fn write_sample(self, folder: &Path, name: &str) -> io::Result<()> {
        let Some(sample) = self.sample() else { return Ok(()) };
        let contract = folder.join(sample.contract);
        fs::create_dir_all(&contract)?;
        WIT.extract(&contract)?;
        for file in sample.sources.files() {
            let path = match file.path().to_str() {
                // The template has its own.
                Some("README.md") => continue,
                Some("world.wit") => folder.join("wit/world.wit"),
                _ => folder.join(file.path()),
            };
            let text = String::from_utf8_lossy(file.contents());
            let text = text.replace(sample.name.0, sample.name.1).replace(PLACEHOLDER, name);
            fs::write(path, text)?;
        }
        Ok(())
    }
}

/// Writes a file or a directory of the template under the driver's own name.
pub fn write_entry(folder: &Path, entry: &DirEntry<'_>, name: &str) -> io::Result<()> {
    let path = folder.join(entry.path());
    match entry {
        DirEntry::Dir(dir) => {
            fs::create_dir(path)?;
            dir.entries().iter().try_for_each(|entry| write_entry(folder, entry, name))
        }
        DirEntry::File(file) => {
            let text = String::from_utf8_lossy(file.contents()).replace(PLACEHOLDER, name);
            fs::write(&path, text)?;
            if path.extension().is_some_and(|extension| extension == "sh") {
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_has_its_own_name_in_one_place() {
        for language in [Language::C, Language::Python, Language::Js] {
            let sample = language.sample().expect("it is not Rust");
            let found = sample.sources.files().filter_map(|file| file.contents_utf8());
            let found: usize = found.map(|text| text.matches(sample.name.0).count()).sum();
            assert_eq!(found, 1, "{language:?}");
        }
    }
}
