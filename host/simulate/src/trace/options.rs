//! How a trace is read.

use super::columns::Columns;
use super::format::TraceFormat;
use super::times::TimeUnit;

/// How to read a trace.
#[derive(Debug, Clone, Default)]
pub struct TraceOptions {
    /// Its format; if it is `None`, the beginning of the trace decides.
    pub format: Option<TraceFormat>,
    /// The columns of a CSV file; if it is `None`, `time`, `id` and `size`, by these names or in this order.
    pub columns: Option<Columns>,
    /// The unit of the times in a CSV file.
    pub time_unit: TimeUnit,
}
