//! Why a trace cannot be read.

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
    #[error(
        "the format of the trace is not recognised by its first line; name it with --trace-format"
    )]
    UnknownFormat,
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
