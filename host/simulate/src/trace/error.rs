//! Why a trace cannot be read.

use super::format::TraceFormat;
use std::io;

/// Why a trace cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The file or pipe cannot be read.
    #[error("the trace cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It has no bytes.
    #[error("the trace is empty")]
    Empty,
    /// Nothing in it is a request that can be replayed.
    #[error("the trace has no request that can be replayed{}", .skipped.as_ref().map(|words| format!(": {words}")).unwrap_or_default())]
    NoRequests {
        /// What was skipped.
        skipped: Option<String>,
    },
    /// Its format is none of the known ones.
    #[error("the format of the trace is not recognised; name it with --trace-format")]
    UnknownFormat,
    /// It is compressed.
    #[error("the trace is compressed; pass it through a pipe: {program} FILE | … --trace -")]
    Compressed {
        /// The program that decompresses it.
        program: &'static str,
    },
    /// An option does not apply to the format.
    #[error("--columns and --time-unit are for CSV, and the trace is {format}")]
    OnlyForCsv {
        /// The format of the trace.
        format: TraceFormat,
    },
    /// It has too many requests for the memory.
    #[error("the trace has more than {most} requests; simulate a part of it")]
    TooLong {
        /// The maximum.
        most: usize,
    },
    /// A line or record is malformed.
    #[error("{unit} {number} of the trace: {reason}")]
    Malformed {
        /// `line` or `record`.
        unit: &'static str,
        /// From 1.
        number: u64,
        /// The fault.
        reason: String,
    },
}
