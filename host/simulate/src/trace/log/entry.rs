//! A request in a line of a log.

/// A request in a line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::trace) struct Entry {
    /// In microseconds; `None` if the line has no time.
    pub at: Option<u64>,
    pub id: String,
    pub bytes: u64,
}

/// Why a line of a log has no request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::trace) enum NoEntry {
    /// It is a line of this format, about something else: another method, a failure.
    Other,
    /// It is no line of this format.
    Unknown,
}

/// Reads the request in a line.
pub(in crate::trace) type EntryOfLine = fn(&str) -> Result<Entry, NoEntry>;

/// A request of a GET that was answered with a whole image or a part of it.
pub(super) fn successful_get(
    at: Option<u64>,
    method: &str,
    target: &str,
    status: &str,
    bytes: &str,
) -> Result<Entry, NoEntry> {
    // Apache writes a dash for a response without a body.
    let bytes = if bytes == "-" { 0 } else { bytes.parse().map_err(|_| NoEntry::Unknown)? };
    if method != "GET" || !matches!(status, "200" | "206" | "304") {
        return Err(NoEntry::Other);
    }
    let id = target.split(['?', '#']).next().unwrap_or_default();
    if id.is_empty() {
        return Err(NoEntry::Unknown);
    }
    Ok(Entry { at, id: id.to_owned(), bytes })
}
