//! The options of `driver check`.

use crate::commands::driver::tried_driver::TriedDriver;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use image_cache::conformance::{CASES, Case, LRU_CASES};
use image_cache::{Config, Grant};
use std::hash::{BuildHasher, Hasher, RandomState};

/// Seeds that the command chooses are below this.
const MAX_SEED: u64 = 1_000_000_000;

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
    /// The seed of the random sequence of calls, to repeat a failure [default: another one each time]
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
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
    // The output shows the names in words.
    let name = name.trim().replace(' ', "_");
    all.find(|case| case.name == name).ok_or_else(unknown)
}

pub fn grant_parser() -> impl TypedValueParser<Value = Grant> {
    PossibleValuesParser::new(Grant::ALL.iter().map(|grant| grant.name()))
        .try_map(|name| name.parse::<Grant>())
}

pub fn option(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("give NAME=VALUE".to_owned()),
    }
}

impl CheckArgs {
    /// The seed of the random sequences.
    pub fn seed(&self) -> u64 {
        // A short number is easier to repeat.
        let any = || RandomState::new().build_hasher().finish() % MAX_SEED;
        self.seed.unwrap_or_else(any)
    }

    /// The driver to check.
    pub fn driver(&self, config: &Config) -> anyhow::Result<TriedDriver> {
        // Required by the options, except with --list.
        let name = self.name.as_deref().unwrap_or_default();
        TriedDriver::new(config, name, &self.grants, &self.options, "this check")
    }
}
