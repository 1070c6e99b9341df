//! Which driver is checked, and what it is granted for that.

use crate::args::Check;
use crate::driver::{as_file, is_built_in};
use crate::exit::{Failure, note};
use image_cache::{Config, DriverConfig, Grant, Inspection, inspect};
use std::path::Path;

/// Who granted what a file imports, where nobody else did.
const THIS_CHECK: &str = "this check";

/// The driver to be checked, with a configuration that has nothing to do with any cache.
pub struct Candidate {
    pub config: Config,
    pub granted: Vec<Grant>,
    pub granted_by: &'static str,
}

impl Candidate {
    pub fn new(config: &Config, check: &Check) -> anyhow::Result<Candidate> {
        let asked = as_file(&check.name, config);
        let found = inspect(&asked, config);
        if found.source == "built in" {
            return built_in(config, check, found);
        }
        let mut config = config.clone();
        let (name, mut driver, mut granted_by) = match config.drivers.remove(&*asked) {
            Some(driver) => (asked.into_owned(), driver, "the configuration"),
            // What cannot be read, or is a name that nobody knows, is refused in the usual words.
            None if found.sha256.is_empty() => {
                config.driver = asked.into_owned();
                return Ok(Candidate { config, granted: Vec::new(), granted_by: THIS_CHECK });
            }
            None => {
                let driver = DriverConfig { grants: found.grants, ..DriverConfig::new(&*asked) };
                (name_of(&asked), driver, THIS_CHECK)
            }
        };
        if !check.grants.is_empty() {
            driver.grants = check.grants.iter().copied().collect();
            granted_by = "--grant";
        }
        driver.options.extend(check.options.iter().cloned());
        let granted = driver.grants.iter().copied().collect();
        config.driver.clone_from(&name);
        config.drivers.insert(name, driver);
        Ok(Candidate { config, granted, granted_by })
    }

    /// Nothing is granted without a word.
    pub fn say(&self) {
        if self.granted_by != THIS_CHECK || self.granted.is_empty() {
            return;
        }
        let names: Vec<String> = self.granted.iter().map(|grant| format!("\"{grant}\"")).collect();
        let names = names.join(", ");
        let words = format!(
            "granted what it imports, for this check alone and in a directory of its own: {names}; \
             to be used it needs `grants = [{names}]` in its [drivers.NAME]"
        );
        note("note", &words);
    }
}

/// A built-in driver has its grants from the host, and takes no options.
fn built_in(config: &Config, check: &Check, found: Inspection) -> anyhow::Result<Candidate> {
    if !check.grants.is_empty() || !check.options.is_empty() {
        let words = format!("{} is built in: it takes no --grant and no --option", found.name);
        return Err(Failure::Usage(words).into());
    }
    let granted = found.grants.into_iter().collect();
    let config = Config { driver: found.name, ..config.clone() };
    Ok(Candidate { config, granted, granted_by: "the host" })
}

/// A name for the driver in a file: the file's, as far as that may be one.
fn name_of(file: &str) -> String {
    let stem = Path::new(file).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    let is_name = stem.starts_with(|c: char| c.is_ascii_alphanumeric()) && stem.chars().all(plain);
    if is_name && !is_built_in(stem) && stem.len() <= 64 {
        stem.to_owned()
    } else {
        "checked".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_is_called_as_its_file_where_that_may_be_a_name() {
        assert_eq!(name_of("/some/where/gdsf-2.wasm"), "gdsf-2");
        assert_eq!(name_of("gdsf"), "gdsf");
        for file in ["sqlite.wasm", "XATTR.wasm", "a b.wasm", "..", "-x.wasm", "a.b.wasm"] {
            assert_eq!(name_of(file), "checked", "{file}");
        }
    }
}
