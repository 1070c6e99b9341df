//! Recognises the format of a trace by its beginning.

use super::error::TraceError;
use super::format::TraceFormat;
use super::log;
use super::log::entry::EntryOfLine;

/// The format by the beginning of a trace. A log may start with lines of other kinds.
pub(super) fn format(beginning: &[u8]) -> Result<TraceFormat, TraceError> {
    if beginning.contains(&0) {
        return Ok(TraceFormat::OracleGeneral);
    }
    let text = String::from_utf8_lossy(beginning);
    let has = |entry: EntryOfLine| text.lines().any(|line| entry(line).is_ok());
    let first = text.lines().next().unwrap_or_default();
    if has(log::access_log::entry) {
        Ok(TraceFormat::AccessLog)
    } else if has(log::nginx::entry) {
        Ok(TraceFormat::Nginx)
    } else if has(log::squid::entry) {
        Ok(TraceFormat::Squid)
    } else if first.contains(',') {
        Ok(TraceFormat::Csv)
    } else if !first.trim().is_empty() && !first.trim().contains(char::is_whitespace) {
        Ok(TraceFormat::Text)
    } else {
        Err(TraceError::UnknownFormat)
    }
}
