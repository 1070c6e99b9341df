//! The options of the cache as flags, generated from their table.

use clap::builder::ValueParser;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use image_cache::{ConfigOption, OptionDefinition};
use std::ffi::OsString;

/// The options of the cache that were set by flags, with their values.
#[derive(Debug, Clone, Default)]
pub struct CacheFlags(pub Vec<(ConfigOption, OsString)>);

/// The flag of an option. Its value is checked with the rest of the configuration.
fn flag(option: ConfigOption) -> Arg {
    let OptionDefinition { name, flag, value_name, default, help, .. } = option.definition();
    let default = if default.is_empty() { "" } else { &format!(" [default: {default}]") };
    Arg::new(*name)
        .long(flag.trim_start_matches('-'))
        .value_name(*value_name)
        .help(format!("{name}: {help}{default}"))
        .value_parser(ValueParser::os_string())
        .allow_negative_numbers(["SIZE", "TIME", "NUMBER"].contains(value_name))
        .global(true)
}

impl Args for CacheFlags {
    fn augment_args(command: Command) -> Command {
        command.args(ConfigOption::ALL.iter().copied().map(flag))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for CacheFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<CacheFlags, clap::Error> {
        let given = |option: &ConfigOption| {
            let value = matches.get_one::<OsString>(option.name())?;
            Some((*option, value.clone()))
        };
        Ok(CacheFlags(ConfigOption::ALL.iter().filter_map(given).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
