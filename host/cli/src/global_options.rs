//! The options of every command.

use crate::cache_flags::CacheFlags;
use crate::output::{Format, LogFormat};
use clap::{ArgAction, Args};
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct GlobalOptions {
    /// Configuration: TOML, or an oslo.config file such as glance-api.conf
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    #[command(flatten)]
    pub cache: CacheFlags,
    /// Output format
    #[arg(
        long,
        value_enum,
        default_value_t = Format::Table,
        value_name = "table|json",
        hide_possible_values = true,
        global = true
    )]
    pub format: Format,
    /// Log more on standard error (-v: each operation; -vv: also the reasons)
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub verbose: u8,
    /// The format of the log on standard error: text, or json with one object per line
    #[arg(
        long,
        value_enum,
        env = "IMAGE_CACHE_LOG_FORMAT",
        default_value_t = LogFormat::Text,
        value_name = "text|json",
        hide_possible_values = true,
        global = true
    )]
    pub log_format: LogFormat,
}
