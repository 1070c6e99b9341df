//! `driver new`: creates a crate for a driver, which builds without a checkout of this project.

mod lock_file;

use crate::error::CliError;
use crate::exit::Code;
use crate::output::Format;
use anyhow::{Context, bail};
use include_dir::{Dir, DirEntry, include_dir};
use serde::Serialize;
use std::path::Path;
use std::{fs, io};

/// The name of the template.
const PLACEHOLDER: &str = "my-driver";

static TEMPLATE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../drivers/template");
pub(super) static SDK: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../drivers/sdk");

/// Maximum length of a name, as for a driver in a configuration.
const LONGEST: usize = 64;

/// Names that cargo, the configuration or the crate's own dependencies use for something else.
const TAKEN: [&str; 9] = [
    "sqlite",
    "xattr",
    "test",
    "core",
    "std",
    "alloc",
    "proc_macro",
    "image-cache-driver-sdk",
    "wit-bindgen",
];

/// Rust's keywords, which cannot be the name of a crate.
const KEYWORDS: [&str; 39] = [
    "as", "async", "await", "break", "const", "continue", "crate", "dyn", "else", "enum", "extern",
    "false", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "match", "mod", "move", "mut",
    "pub", "ref", "return", "self", "static", "struct", "super", "trait", "true", "try", "type",
    "unsafe", "use", "where", "while",
];

/// The output of `driver new`.
#[derive(Serialize)]
struct NewAnswer<'a> {
    directory: &'a str,
}

pub fn new(format: Format, name: &str) -> anyhow::Result<Code> {
    if let Some(fault) = fault(name) {
        return Err(CliError::Usage(format!("{name:?} cannot be a driver's name: {fault}")).into());
    }
    let folder = Path::new(name);
    match fs::create_dir(folder) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => bail!(
            "{name} is there already, and nothing was written: choose another name, or move it away"
        ),
        Err(error) => return Err(error).with_context(|| format!("cannot create directory {name}")),
    }
    if let Err(error) = write(folder, name) {
        // It was created above, and contains only files that were written here.
        let _ = fs::remove_dir_all(folder);
        return Err(error.context(format!("cannot write the crate {name}")));
    }
    format.print(&NewAnswer { directory: name }, |_| words(name))?;
    Ok(Code::Done)
}

fn words(name: &str) -> String {
    format!(
        "wrote {name}/: the driver is src/lib.rs, and its SDK is in sdk/\n\
         next:  cd {name}\n\
         \x20      image-cache driver build\n\
         \x20      image-cache driver check {name}.wasm\n"
    )
}

/// Why a crate and a driver cannot both have this name.
fn fault(name: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    if !name.starts_with(|c: char| c.is_ascii_alphabetic())
        || !name.chars().all(plain)
        || name.len() > LONGEST
    {
        return Some(format!(
            "1 to {LONGEST} letters, digits, '-' and '_' are accepted, a letter first"
        ));
    }
    let same = |taken: &&str| taken.eq_ignore_ascii_case(name);
    if KEYWORDS.iter().any(same) {
        return Some("it is a keyword of Rust".into());
    }
    TAKEN.iter().any(same).then(|| "it is reserved".into())
}

fn write(folder: &Path, name: &str) -> anyhow::Result<()> {
    for entry in TEMPLATE.entries() {
        write_entry(folder, entry, name)?;
    }
    let sdk = folder.join("sdk");
    fs::create_dir(&sdk)?;
    SDK.extract(&sdk)?;
    fs::write(folder.join("Cargo.lock"), lock_file::for_crate(name)?)?;
    Ok(())
}

/// Writes a file or a directory of the template under the crate's own name.
fn write_entry(folder: &Path, entry: &DirEntry<'_>, name: &str) -> io::Result<()> {
    let path = folder.join(entry.path());
    match entry {
        DirEntry::Dir(dir) => {
            fs::create_dir(path)?;
            dir.entries().iter().try_for_each(|entry| write_entry(folder, entry, name))
        }
        DirEntry::File(file) => {
            let text = String::from_utf8_lossy(file.contents()).replace(PLACEHOLDER, name);
            fs::write(path, text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_cargo_or_a_configuration_would_refuse_are_refused() {
        for name in ["gdsf", "a", "my_driver-2", "Zebra"] {
            assert_eq!(fault(name), None, "{name}");
        }
        for name in
            ["", "1st", "-x", "a b", "a/b", "../a", "ünï", "fn", "SQLite", "std", &"a".repeat(65)]
        {
            assert!(fault(name).is_some(), "{name}");
        }
    }

    #[test]
    fn the_sdk_is_complete_and_includes_the_interface() {
        let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/../../drivers/sdk/src");
        for source in fs::read_dir(sources).expect("the sources are there").flatten() {
            let path = Path::new("src").join(source.file_name());
            assert!(SDK.get_file(&path).is_some(), "{}", path.display());
        }
        for interface in ["driver", "types", "sql", "attributes", "files", "log", "world"] {
            assert!(SDK.get_file(format!("wit/{interface}.wit")).is_some(), "{interface}");
        }
        assert!(SDK.get_file("Cargo.toml").is_some());
    }

    #[test]
    fn new_drivers_are_compiled_like_the_built_in_ones() {
        let profile = |manifest: &str| {
            let manifest: toml::Table = manifest.parse().expect("it is TOML");
            manifest["profile"]["guest"].clone()
        };
        let template = TEMPLATE.get_file("Cargo.toml").and_then(|file| file.contents_utf8());
        let workspace = include_str!("../../../../../Cargo.toml");
        assert_eq!(profile(template.expect("the template has a manifest")), profile(workspace));
    }
}
