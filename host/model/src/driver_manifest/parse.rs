//! Reads the text of a manifest, and checks every value.

use super::{DriverManifest, InvalidManifest, MAX_MANIFEST, ManifestOption};
use crate::config::Grant;
use crate::printable::{hides, printable};
use std::collections::BTreeSet;
use std::fmt;
use toml::{Table, Value};

/// Longest text of one line, in bytes.
const MAX_LINE: usize = 200;

/// Longest text of several sentences, in bytes.
const MAX_TEXT: usize = 2000;

/// With the feature `config-files`.
///
/// ```
/// use image_cache_model::DriverManifest;
/// let manifest: DriverManifest = r#"
///     name = "lfu"
///     author = "Ada <ada@example.org>"
///     version = "1.2.0"
///     grants = ["sql"]
///     [options.largest]
///     accepted = "a number of bytes"
///     help = "Larger images are not cached"
/// "#.parse()?;
/// assert_eq!(manifest.options[0].name, "largest");
/// # Ok::<(), image_cache_model::InvalidManifest>(())
/// ```
impl std::str::FromStr for DriverManifest {
    type Err = InvalidManifest;

    fn from_str(text: &str) -> Result<DriverManifest, InvalidManifest> {
        if text.len() > MAX_MANIFEST {
            return Err(fault(format!("it has more than {MAX_MANIFEST} bytes")));
        }
        let table: Table = text.parse().map_err(|e: toml::de::Error| fault(e.message()))?;
        let mut manifest = DriverManifest::default();
        for (key, value) in table {
            match key.as_str() {
                "name" => manifest.name = line(&key, &value)?,
                "author" => manifest.author = line(&key, &value)?,
                "version" => manifest.version = line(&key, &value)?,
                "description" => manifest.description = words(&key, &value, MAX_TEXT)?,
                "grants" => manifest.grants = grants(&value)?,
                "limits" => manifest.limits = inner(&key, value)?,
                "options" => manifest.options = options(inner(&key, value)?)?,
                _ => {
                    return Err(fault(format!(
                        "{:?} is no key of a manifest; known are name, author, version, description, grants, limits and options",
                        printable(&key, 64)
                    )));
                }
            }
        }
        for (key, text) in
            [("name", &manifest.name), ("author", &manifest.author), ("version", &manifest.version)]
        {
            if text.is_empty() {
                return Err(fault(format!("{key} is missing")));
            }
        }
        Ok(manifest)
    }
}

fn fault(words: impl fmt::Display) -> InvalidManifest {
    InvalidManifest(words.to_string())
}

/// A printable text of one line.
fn line(key: &str, value: &Value) -> Result<String, InvalidManifest> {
    let text = one_line(key, value)?;
    if text.is_empty() { Err(fault(format!("{key} is empty"))) } else { Ok(text) }
}

/// A printable text of at most one line.
fn one_line(key: &str, value: &Value) -> Result<String, InvalidManifest> {
    let text = words(key, value, MAX_LINE)?;
    if text.contains('\n') {
        return Err(fault(format!("{key} is more than one line")));
    }
    Ok(text)
}

fn is_option_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (1..=64).contains(&name.len()) && name.chars().all(plain)
}

fn words(key: &str, value: &Value, most: usize) -> Result<String, InvalidManifest> {
    let text = value.as_str().ok_or_else(|| fault(format!("{key} is not a text")))?;
    if text.len() > most || text.chars().any(|c| hides(c) && c != '\n') {
        return Err(fault(format!("{key} is not a printable text of at most {most} bytes")));
    }
    Ok(text.trim().to_owned())
}

fn inner(key: &str, value: Value) -> Result<Table, InvalidManifest> {
    match value {
        Value::Table(table) => Ok(table),
        _ => Err(fault(format!("{key} is not a table"))),
    }
}

fn grants(value: &Value) -> Result<BTreeSet<Grant>, InvalidManifest> {
    let names = value.as_array().ok_or_else(|| fault("grants is not an array"))?;
    let grant = |name: &Value| {
        let name = name.as_str().ok_or_else(|| fault("a grant is not a text"))?;
        name.parse::<Grant>().map_err(fault)
    };
    names.iter().map(grant).collect()
}

fn options(table: Table) -> Result<Vec<ManifestOption>, InvalidManifest> {
    let mut options = Vec::new();
    for (name, value) in table {
        if !is_option_name(&name) {
            let words = "the name of an option has letters, digits, '-', '_' and '.', at most 64";
            return Err(fault(format!("{:?}: {words}", printable(&name, 64))));
        }
        let shown = format!("options.{name}");
        let mut option = ManifestOption { name, ..ManifestOption::default() };
        for (key, value) in inner(&shown, value)? {
            let shown = format!("{shown}.{key}");
            match key.as_str() {
                "default" => option.default = one_line(&shown, &value)?,
                "accepted" => option.accepted = one_line(&shown, &value)?,
                "help" => option.help = words(&shown, &value, MAX_TEXT)?,
                _ => {
                    return Err(fault(format!(
                        "{} is unknown; an option has default, accepted and help",
                        printable(&shown, 200)
                    )));
                }
            }
        }
        options.push(option);
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words_of(text: &str) -> String {
        text.parse::<DriverManifest>().expect_err(text).to_string()
    }

    #[test]
    fn what_is_missing_or_unknown_is_named() {
        let good = "name = \"a\"\nauthor = \"b\"\nversion = \"1\"\n";
        assert!(good.parse::<DriverManifest>().is_ok());
        assert_eq!(words_of("name = \"a\"\nversion = \"1\""), "author is missing");
        assert!(words_of(&format!("{good}colour = 1")).contains("\"colour\" is no key"));
        assert!(
            words_of(&format!("{good}grants = [\"network\"]")).contains("\"network\" is no grant")
        );
        assert!(words_of(&format!("{good}[options.x]\nmin = \"1\"")).contains("options.x.min"));
        assert!(words_of("name = \"a\\u001b[2J\"").contains("printable"));
        assert!(words_of("name = 1").contains("name is not a text"));
        assert!(!words_of("name = ").is_empty());
        assert!(words_of(&format!("# {}", "x".repeat(MAX_MANIFEST))).contains("bytes"));
    }
}
