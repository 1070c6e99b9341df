//! Traces: recorded requests, read from one of several formats.

mod collector;
mod columns;
mod csv;
mod error;
mod format;
mod line_limit;
mod log;
mod options;
mod oracle_general;
mod recognise;
mod request;
mod times;

pub use columns::{Columns, InvalidColumns};
pub use error::TraceError;
pub use format::TraceFormat;
pub use options::TraceOptions;
pub use request::{Request, Trace};
pub use times::TimeUnit;

use collector::Collector;
use std::io::{self, Read};

/// How much of a trace is read to recognise its format.
const BEGINNING: u64 = 64 << 10;

impl Trace {
    /// Reads a whole trace into memory: 32 bytes for each request, and the ids.
    ///
    /// # Errors
    /// If the trace cannot be read, is truncated, or has a record that its format does not allow; the error names the line.
    /// In logs of servers, lines of another form are skipped and counted in the [notes](Trace::notes).
    pub fn read(mut input: impl Read, options: &TraceOptions) -> Result<Trace, TraceError> {
        let mut beginning = Vec::new();
        input.by_ref().take(BEGINNING).read_to_end(&mut beginning)?;
        if beginning.is_empty() {
            return Err(TraceError::Empty);
        }
        let format = match options.format {
            Some(format) => format,
            None if options.columns.is_some() => TraceFormat::Csv,
            None => recognise::format(&beginning)?,
        };
        let is_for_csv = options.columns.is_some() || options.time_unit != TimeUnit::default();
        if is_for_csv && format != TraceFormat::Csv {
            return Err(TraceError::OnlyForCsv { format });
        }
        let input = io::Cursor::new(beginning).chain(input);
        let mut collector = Collector::new(format);
        match format {
            TraceFormat::Csv => csv::read(input, options, &mut collector)?,
            TraceFormat::Text => log::read(input, log::id_alone, &mut collector)?,
            TraceFormat::OracleGeneral => oracle_general::read(input, &mut collector)?,
            TraceFormat::Nginx => log::read(input, log::nginx::entry, &mut collector)?,
            TraceFormat::Squid => log::read(input, log::squid::entry, &mut collector)?,
            TraceFormat::AccessLog => log::read(input, log::access_log::entry, &mut collector)?,
        }
        let mut trace = collector.finish()?;
        trace.format = Some(format);
        Ok(trace)
    }
}

#[cfg(test)]
mod tests;
