//! `driver new`: creates a folder with a driver, which builds without a checkout of this project.

mod language;
mod lock_file;

use crate::error::CliError;
use crate::exit::Code;
use crate::output::Format;
use anyhow::{Context, bail};
use clap::Args;
use include_dir::{Dir, include_dir};
use language::{Language, write_entry};
use serde::Serialize;
use std::path::Path;
use std::{fs, io};

pub(super) static SDK: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../drivers/sdk");

/// Maximum length of a name, as for a driver in a configuration.
const LONGEST: usize = 64;

/// Names that cargo or the configuration use for something else.
const TAKEN: [&str; 7] = ["sqlite", "xattr", "test", "core", "std", "alloc", "proc_macro"];

/// Rust's keywords, which cannot be the name of a crate.
const KEYWORDS: [&str; 39] = [
    "as", "async", "await", "break", "const", "continue", "crate", "dyn", "else", "enum", "extern",
    "false", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "match", "mod", "move", "mut",
    "pub", "ref", "return", "self", "static", "struct", "super", "trait", "true", "try", "type",
    "unsafe", "use", "where", "while",
];

#[derive(Debug, Args)]
pub struct NewArgs {
    /// The driver's name, and the folder's
    name: String,
    /// The language of the driver
    #[arg(long, value_name = "LANGUAGE", value_enum, default_value = "rust")]
    language: Language,
}

/// The output of `driver new`.
#[derive(Serialize)]
struct NewAnswer<'a> {
    directory: &'a str,
}

pub fn new(format: Format, args: &NewArgs) -> anyhow::Result<Code> {
    let (name, language) = (&*args.name, args.language);
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
    if let Err(error) = write(folder, name, language) {
        // It was created above, and contains only files that were written here.
        let _ = fs::remove_dir_all(folder);
        return Err(error.context(format!("cannot write the driver {name}")));
    }
    format.print(&NewAnswer { directory: name }, |_| words(name, language))?;
    Ok(Code::Done)
}

fn words(name: &str, language: Language) -> String {
    match language {
        Language::Rust => format!(
            "wrote {name}/: the driver is src/lib.rs, and its SDK is in sdk/\n\
             next:  cd {name}\n\
             \x20      cargo test\n\
             \x20      image-cache driver build\n\
             \x20      image-cache driver check {name}.wasm\n"
        ),
        _ => format!(
            "wrote {name}/: a complete driver, and the contract in wit/; README.md explains the files\n\
             next:  cd {name}\n\
             \x20      sh build.sh\n\
             \x20      image-cache --config image-cache.toml driver check {name}\n"
        ),
    }
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
    if lock_file::contains(name) {
        return Some("the SDK, or a crate on which it depends, has this name".into());
    }
    TAKEN.iter().any(same).then(|| "it is reserved".into())
}

fn write(folder: &Path, name: &str, language: Language) -> anyhow::Result<()> {
    for entry in language.template().entries() {
        write_entry(folder, entry, name)?;
    }
    if language != Language::Rust {
        return Ok(language.write_sample(folder, name)?);
    }
    let sdk = folder.join("sdk");
    fs::create_dir(&sdk)?;
    SDK.extract(&sdk)?;
    fs::write(folder.join("Cargo.lock"), lock_file::for_crate(name))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_cargo_or_a_configuration_would_refuse_are_refused() {
        for name in ["gdsf", "a", "my_driver-2", "Zebra"] {
            assert_eq!(fault(name), None, "{name}");
        }
        for name in [
            "",
            "1st",
            "-x",
            "a b",
            "a/b",
            "../a",
            "ünï",
            "fn",
            "SQLite",
            "std",
            "rusqlite",
            &"a".repeat(65),
        ] {
            assert!(fault(name).is_some(), "{name}");
        }
    }

    #[test]
    fn the_sdk_is_complete_and_includes_the_interface() {
        let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/../../drivers/sdk/src");
        for source in fs::read_dir(sources).expect("the sources are there").flatten() {
            let path = Path::new("src").join(source.file_name());
            assert!(SDK.get_entry(&path).is_some(), "{}", path.display());
        }
        for interface in
            ["driver", "types", "sql", "attributes", "capacity", "files", "log", "world"]
        {
            assert!(SDK.get_file(format!("wit/{interface}.wit")).is_some(), "{interface}");
        }
        assert!(SDK.get_file("Cargo.toml").is_some());
    }

    #[test]
    fn new_drivers_are_compiled_like_the_built_in_ones() {
        let profile = |manifest: &str| {
            let manifest: toml::Table = manifest.parse().expect("it is TOML");
            let mut profile = manifest["profile"]["guest"].as_table().expect("a profile").clone();
            // The settings of one package, a guest of tests.
            profile.remove("package");
            profile
        };
        let template = Language::Rust.template().get_file("Cargo.toml");
        let template = template.and_then(|file| file.contents_utf8());
        let workspace = include_str!("../../../../../Cargo.toml");
        assert_eq!(profile(template.expect("the template has a manifest")), profile(workspace));
    }
}
