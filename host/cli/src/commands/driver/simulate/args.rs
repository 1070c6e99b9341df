//! The options of `driver simulate`.

use crate::commands::driver::check::option;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use image_cache::parse_bytes;
use image_cache_simulate::{Columns, Reference, TimeUnit, TraceFormat, TraceOptions};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// Built-in or configured names, or components' paths
    #[arg(value_name = "NAME|FILE", required = true)]
    pub drivers: Vec<String>,
    /// The trace, or - for standard input
    #[arg(long, value_name = "FILE")]
    pub trace: PathBuf,
    /// The sizes of the cache to simulate: numbers of bytes, or numbers with a unit (10 MB, 10 MiB)
    #[arg(long = "size", value_name = "BYTES,…", value_delimiter = ',', required = true, value_parser = cache_size)]
    sizes: Vec<u64>,
    /// The format of the trace [default: recognised by its beginning]
    #[arg(long, value_name = "FORMAT", value_parser = format_parser())]
    trace_format: Option<TraceFormat>,
    /// The columns of a CSV file with time, id and size, and if it has them, with the tenant and the time of a fetch (- for a missing tenant): by their names or by their numbers from 1
    #[arg(long, value_name = "TIME,ID,SIZE[,TENANT[,FETCH]]")]
    columns: Option<Columns>,
    /// The unit of the times in a CSV file
    #[arg(long, value_name = "UNIT", default_value = "s", value_parser = unit_parser())]
    time_unit: TimeUnit,
    /// The reference policies to compare with; `none` for no comparison
    #[arg(long, value_name = "POLICY,…", value_delimiter = ',', default_value = "all", value_parser = reference_parser())]
    references: Vec<ReferenceChoice>,
    /// Configure the driver with this as well, if only one is named; may be repeated
    #[arg(long = "option", value_name = "NAME=VALUE", value_parser = option)]
    pub options: Vec<(String, String)>,
    /// Write a plot of the miss ratios by size into this SVG file
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
}

/// What one word of `--references` selects.
#[derive(Debug, Clone)]
struct ReferenceChoice(Vec<Reference>);

impl SimulateArgs {
    /// The sizes in ascending order, each once.
    pub fn sizes(&self) -> Vec<u64> {
        let mut sizes = self.sizes.clone();
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }

    pub fn references(&self) -> Vec<Reference> {
        let is_chosen = |reference: &Reference| {
            self.references.iter().any(|choice| choice.0.contains(reference))
        };
        Reference::ALL.into_iter().filter(is_chosen).collect()
    }

    pub fn trace_options(&self) -> TraceOptions {
        TraceOptions {
            format: self.trace_format,
            columns: self.columns.clone(),
            time_unit: self.time_unit,
        }
    }
}

fn cache_size(text: &str) -> Result<u64, String> {
    match parse_bytes(text)? {
        0 => Err("a cache of no bytes cannot hold an image".to_owned()),
        size => Ok(size),
    }
}

fn format_parser() -> impl TypedValueParser<Value = TraceFormat> {
    PossibleValuesParser::new(TraceFormat::ALL.map(TraceFormat::name))
        .try_map(|name| name.parse::<TraceFormat>())
}

fn unit_parser() -> impl TypedValueParser<Value = TimeUnit> {
    PossibleValuesParser::new(TimeUnit::ALL.map(TimeUnit::name))
        .try_map(|name| name.parse::<TimeUnit>())
}

fn reference_parser() -> impl TypedValueParser<Value = ReferenceChoice> {
    let names = Reference::ALL.map(Reference::name).into_iter().chain(["all", "none"]);
    PossibleValuesParser::new(names).map(|name| match name.as_str() {
        "all" => ReferenceChoice(Reference::ALL.to_vec()),
        name => ReferenceChoice(name.parse().into_iter().collect()),
    })
}
