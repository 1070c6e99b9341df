//! A driver that `check` or `simulate` tries: its name, its grants and its options.

use super::lookup::as_file;
use crate::error::CliError;
use crate::exit::print_message;
use image_cache::{Config, DriverConfig, Grant, RESERVED_DRIVERS, inspect};
use std::path::Path;

/// A driver that a command tries, with a configuration that is independent of any cache.
pub struct TriedDriver {
    pub config: Config,
    pub granted: Vec<Grant>,
    pub granted_by: &'static str,
    /// What gives a file its grants if the configuration sets none.
    trial: &'static str,
}

impl TriedDriver {
    /// A built-in or configured driver, or a file. `grants`, if there are any, replace those of the configuration; `options` are
    /// added; `trial` says in messages what grants a file what it imports.
    pub fn new(
        config: &Config,
        name: &str,
        grants: &[Grant],
        options: &[(String, String)],
        trial: &'static str,
    ) -> anyhow::Result<TriedDriver> {
        let asked = as_file(name, config);
        let found = inspect(&asked, config);
        if found.source == "built in" {
            let has_no_options = RESERVED_DRIVERS.contains(&&*found.name);
            if !grants.is_empty() || (has_no_options && !options.is_empty()) {
                let none = if has_no_options { " and no --option" } else { "" };
                let words = format!("{} is built in: it takes no --grant{none}", found.name);
                return Err(CliError::Usage(words).into());
            }
            let mut config = config.clone();
            config.driver.clone_from(&found.name);
            if !options.is_empty() {
                let table = config.drivers.entry(found.name).or_default();
                table.options.extend(options.iter().cloned());
            }
            // The host sets the grants of a built-in driver.
            let granted = found.grants.into_iter().collect();
            return Ok(TriedDriver { config, granted, granted_by: "the host", trial });
        }
        let mut config = config.clone();
        let (name, mut driver, mut granted_by) = match config.drivers.remove(&*asked) {
            Some(driver) => (asked.into_owned(), driver, "the configuration"),
            // A file that cannot be read, or an unknown name, is refused when it is loaded.
            None if found.sha256.is_empty() => {
                config.driver = asked.into_owned();
                return Ok(TriedDriver { config, granted: Vec::new(), granted_by: trial, trial });
            }
            None => {
                let mut driver = DriverConfig::new(&*asked);
                driver.grants = found.grants;
                (name_of(&asked), driver, trial)
            }
        };
        if !grants.is_empty() {
            driver.grants = grants.iter().copied().collect();
            granted_by = "--grant";
        }
        driver.options.extend(options.iter().cloned());
        let granted = driver.grants.iter().copied().collect();
        config.driver.clone_from(&name);
        config.drivers.insert(name, driver);
        Ok(TriedDriver { config, granted, granted_by, trial })
    }

    /// The grants that only this trial gives, as the configuration file would have them; `None` if there are none.
    pub fn needed_grants(&self) -> Option<String> {
        if self.granted_by != self.trial || self.granted.is_empty() {
            return None;
        }
        let names: Vec<String> = self.granted.iter().map(|grant| format!("\"{grant}\"")).collect();
        Some(names.join(", "))
    }

    /// Reports the grants that only this trial gives.
    pub fn report_grants(&self) {
        let Some(names) = self.needed_grants() else { return };
        let words = format!(
            "granted what it imports, for {} alone: {names}; to be used it needs `grants = [{names}]` in its [drivers.NAME]",
            self.trial
        );
        print_message("note", &words);
    }
}

/// A name for the driver in a file: the file's own name if it is a valid driver name.
fn name_of(file: &str) -> String {
    let stem = Path::new(file).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    let is_name = stem.starts_with(|c: char| c.is_ascii_alphanumeric()) && stem.chars().all(plain);
    let is_reserved = RESERVED_DRIVERS.iter().any(|reserved| reserved.eq_ignore_ascii_case(stem));
    if is_name && !is_reserved && stem.len() <= 64 { stem.to_owned() } else { "tried".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_has_the_name_of_its_file_if_that_is_valid() {
        assert_eq!(name_of("/some/where/gdsf-2.wasm"), "gdsf-2");
        assert_eq!(name_of("gdsf"), "gdsf");
        for file in ["sqlite.wasm", "XATTR.wasm", "a b.wasm", "..", "-x.wasm", "a.b.wasm"] {
            assert_eq!(name_of(file), "tried", "{file}");
        }
    }
}
