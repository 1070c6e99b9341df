//! The manuals' data about an option of a command.

use clap::{Arg, Command};

/// An option of a command, or a positional argument.
pub struct Entry {
    /// The heading under which the help text lists it.
    pub heading: Option<String>,
    /// Its usage: `--listen ADDR`, `ID...`.
    pub usage: String,
    /// The environment variable.
    pub variable: Option<String>,
    /// The default, if there is one.
    pub default: Option<String>,
    /// Whether the option is required.
    pub is_required: bool,
    /// Its description.
    pub help: String,
}

impl Entry {
    /// The options and arguments of a command itself, without those in the table of the cache's options.
    pub fn all(command: &Command) -> Vec<Entry> {
        let is_of_cache = |arg: &Arg| arg.get_id().as_str().starts_with("image_cache_");
        command.get_arguments().filter(|arg| !is_of_cache(arg)).map(Entry::new).collect()
    }

    fn new(arg: &Arg) -> Entry {
        let text = |text: &std::ffi::OsStr| text.to_string_lossy().into_owned();
        let defaults: Vec<String> = arg.get_default_values().iter().map(|it| text(it)).collect();
        let takes_value = arg.get_action().takes_values();
        Entry {
            heading: arg.get_help_heading().map(str::to_owned),
            usage: usage(arg),
            variable: arg.get_env().map(text),
            default: Some(defaults.join(" ")).filter(|_| takes_value && !defaults.is_empty()),
            is_required: arg.is_required_set() && arg.get_long().is_some(),
            help: arg.get_help().map(ToString::to_string).unwrap_or_default(),
        }
    }
}

fn usage(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    let value = names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" ");
    let short = arg.get_short().map(|short| format!("-{short}, ")).unwrap_or_default();
    match (arg.get_long(), arg.get_action().takes_values()) {
        (Some(long), true) => format!("{short}--{long} {value}"),
        (Some(long), false) => format!("{short}--{long}"),
        (None, _) => value,
    }
}
