//! The driver to check, and its grants.

use crate::commands::driver::lookup::{as_file, is_built_in};
use crate::error::CliError;
use crate::exit::print_message;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use image_cache::conformance::{CASES, Case, LRU_CASES};
use image_cache::{Config, DriverConfig, Grant, Inspection, inspect};
use std::path::Path;

#[derive(Debug, Args)]
pub struct CheckArgs {
    /// A component's path, or a built-in or configured name
    #[arg(value_name = "NAME|FILE", required_unless_present = "list")]
    name: Option<String>,
    /// Grant this, and nothing else; may be repeated [default: what the configuration grants; a file gets what it imports]
    #[arg(long = "grant", value_name = "GRANT", value_parser = grant_parser())]
    grants: Vec<Grant>,
    /// Configure the driver with this as well; may be repeated
    #[arg(long = "option", value_name = "NAME=VALUE", value_parser = option)]
    options: Vec<(String, String)>,
    /// Run only this case; may be repeated
    #[arg(long = "case", value_name = "CASE", value_parser = case_named)]
    pub cases: Vec<&'static Case>,
    /// List the cases, and run none
    #[arg(long, conflicts_with_all = ["name", "cases"])]
    pub list: bool,
    /// Also run the cases for drivers that evict the least recently accessed image first
    #[arg(long)]
    pub lru: bool,
}

fn case_named(name: &str) -> Result<&'static Case, String> {
    let mut all = CASES.iter().chain(LRU_CASES);
    let unknown =
        || "no case has this name; `image-cache driver check --list` shows all".to_owned();
    all.find(|case| case.name == name).ok_or_else(unknown)
}

fn grant_parser() -> impl TypedValueParser<Value = Grant> {
    PossibleValuesParser::new(Grant::ALL.iter().map(|grant| grant.name()))
        .try_map(|name| name.parse::<Grant>())
}

fn option(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("give NAME=VALUE".to_owned()),
    }
}

/// The source of a file's grants if the configuration sets none.
const THIS_CHECK: &str = "this check";

/// The driver to check, with a configuration that is independent of any cache.
pub struct CheckedDriver {
    pub config: Config,
    pub granted: Vec<Grant>,
    pub granted_by: &'static str,
}

impl CheckedDriver {
    pub fn new(config: &Config, args: &CheckArgs) -> anyhow::Result<CheckedDriver> {
        // Required by the options, except with --list.
        let asked = as_file(args.name.as_deref().unwrap_or_default(), config);
        let found = inspect(&asked, config);
        if found.source == "built in" {
            return built_in(config, args, found);
        }
        let mut config = config.clone();
        let (name, mut driver, mut granted_by) = match config.drivers.remove(&*asked) {
            Some(driver) => (asked.into_owned(), driver, "the configuration"),
            // A file that cannot be read, or an unknown name, is refused when it is loaded.
            None if found.sha256.is_empty() => {
                config.driver = asked.into_owned();
                return Ok(CheckedDriver { config, granted: Vec::new(), granted_by: THIS_CHECK });
            }
            None => {
                let driver = DriverConfig { grants: found.grants, ..DriverConfig::new(&*asked) };
                (name_of(&asked), driver, THIS_CHECK)
            }
        };
        if !args.grants.is_empty() {
            driver.grants = args.grants.iter().copied().collect();
            granted_by = "--grant";
        }
        driver.options.extend(args.options.iter().cloned());
        let granted = driver.grants.iter().copied().collect();
        config.driver.clone_from(&name);
        config.drivers.insert(name, driver);
        Ok(CheckedDriver { config, granted, granted_by })
    }

    /// Reports the grants that only this check gives.
    pub fn report_grants(&self) {
        if self.granted_by != THIS_CHECK || self.granted.is_empty() {
            return;
        }
        let names: Vec<String> = self.granted.iter().map(|grant| format!("\"{grant}\"")).collect();
        let names = names.join(", ");
        let words = format!(
            "granted what it imports, for this check alone and in a temporary directory: {names}; \
             to be used it needs `grants = [{names}]` in its [drivers.NAME]"
        );
        print_message("note", &words);
    }
}

/// The host sets the grants of a built-in driver, which has no options.
fn built_in(config: &Config, args: &CheckArgs, found: Inspection) -> anyhow::Result<CheckedDriver> {
    if !args.grants.is_empty() || !args.options.is_empty() {
        let words = format!("{} is built in: it takes no --grant and no --option", found.name);
        return Err(CliError::Usage(words).into());
    }
    let granted = found.grants.into_iter().collect();
    let config = Config { driver: found.name, ..config.clone() };
    Ok(CheckedDriver { config, granted, granted_by: "the host" })
}

/// A name for the driver in a file: the file's own name if it is a valid driver name.
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
    fn a_driver_has_the_name_of_its_file_if_that_is_valid() {
        assert_eq!(name_of("/some/where/gdsf-2.wasm"), "gdsf-2");
        assert_eq!(name_of("gdsf"), "gdsf");
        for file in ["sqlite.wasm", "XATTR.wasm", "a b.wasm", "..", "-x.wasm", "a.b.wasm"] {
            assert_eq!(name_of(file), "checked", "{file}");
        }
    }
}
