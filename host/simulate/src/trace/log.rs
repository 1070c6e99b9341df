//! Formats with a request in each line that are read line by line: the logs of servers, and lists of ids.
//!
//! In a log, an image is a path, without what follows a `?`. Only successful GETs count. What was sent can be less than the
//! image (a range, a client that left), so the size of an image is the most that was sent of it in one response. Lines without a
//! time count as one second each.

pub(super) mod access_log;
pub(super) mod entry;
pub(super) mod nginx;
pub(super) mod squid;

use super::collector::{Collector, Line};
use super::error::TraceError;
use super::line_limit::LineLimit;
use entry::{Entry, EntryOfLine, NoEntry};
use std::io::{BufRead, BufReader, Read};

pub(super) fn read(
    input: impl Read,
    entry: EntryOfLine,
    collector: &mut Collector,
) -> Result<(), TraceError> {
    let mut input = BufReader::with_capacity(1 << 16, LineLimit::new(input, false));
    let (mut line, mut number) = (Vec::new(), 0);
    while input.read_until(b'\n', &mut line)? > 0 {
        number += 1;
        match entry(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n'])) {
            Ok(entry) => {
                let at = entry.at.unwrap_or_else(|| collector.without_time(number));
                collector.push(number, Line::new(at, &entry.id, entry.bytes))?;
            }
            Err(_) if line.trim_ascii().is_empty() => {}
            Err(_) => collector.skip(number),
        }
        line.clear();
    }
    if !input.get_ref().is_ended() {
        collector.set_unended(number);
    }
    Ok(())
}

/// A line of a list of ids: each image has one byte.
pub(super) fn id_alone(line: &str) -> Result<Entry, NoEntry> {
    let id = line.trim();
    if id.is_empty() {
        return Err(NoEntry::Unknown);
    }
    Ok(Entry { at: None, id: id.to_owned(), bytes: 1 })
}
