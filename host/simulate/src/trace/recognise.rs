//! Recognises the format of a trace by its beginning.

use super::error::TraceError;
use super::format::TraceFormat;
use super::log;
use super::log::entry::{EntryOfLine, NoEntry};
use super::oracle_general;

/// The first bytes of compressed files, and the program that decompresses each.
const COMPRESSED: [(&[u8], &str); 4] = [
    (b"\x1f\x8b", "gzip -dc"),
    (b"\xfd7zXZ\0", "xz -dc"),
    (b"\x28\xb5\x2f\xfd", "zstd -dc"),
    (b"BZh", "bzip2 -dc"),
];

/// The format by the beginning of a trace. A log may start with lines of other kinds, and with the NUL bytes that a log has after
/// it was truncated while a server wrote it.
pub(super) fn format(beginning: &[u8]) -> Result<TraceFormat, TraceError> {
    if let Some((_, program)) = COMPRESSED.iter().find(|(magic, _)| beginning.starts_with(magic)) {
        return Err(TraceError::Compressed { program });
    }
    let text = String::from_utf8_lossy(beginning);
    let text = text.trim_start_matches(['\0', '\u{feff}']);
    let has = |entry: EntryOfLine| {
        text.lines().any(|line| matches!(entry(line), Ok(_) | Err(NoEntry::Other)))
    };
    if has(log::access_log::entry) {
        return Ok(TraceFormat::AccessLog);
    }
    if has(log::nginx::entry) {
        return Ok(TraceFormat::Nginx);
    }
    if has(log::squid::entry) {
        return Ok(TraceFormat::Squid);
    }
    if beginning.contains(&0) {
        let is_plausible = oracle_general::is_plausible(beginning);
        return if is_plausible {
            Ok(TraceFormat::OracleGeneral)
        } else {
            Err(TraceError::UnknownFormat)
        };
    }
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
    if first.contains(',') {
        return Ok(TraceFormat::Csv);
    }
    let is_id = |c: char| !c.is_whitespace() && !matches!(c, '{' | '[' | ';' | '<' | '"' | '#');
    if !first.is_empty() && first.chars().all(is_id) {
        return Ok(TraceFormat::Text);
    }
    Err(TraceError::UnknownFormat)
}
