//! The lines that `image-cache serve` logs when a response has ended, as text or as JSON.

use super::entry::{Entry, NoEntry, successful_get};
use crate::trace::times::since_1970;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The messages of lines about responses.
const MESSAGES: [&str; 2] = ["answered", "the client left"];

pub(in crate::trace) fn entry(line: &str) -> Result<Entry, NoEntry> {
    if line.starts_with('{') { json(line) } else { text(line) }
}

fn json(line: &str) -> Result<Entry, NoEntry> {
    let line: Value = serde_json::from_str(line).map_err(|_| NoEntry::Unknown)?;
    let fields = if line["fields"].is_object() { &line["fields"] } else { &line };
    if !MESSAGES.iter().any(|message| fields["message"] == *message) {
        return Err(NoEntry::Other);
    }
    let words = |name: &str| match &fields[name] {
        Value::String(words) => words.clone(),
        other => other.to_string(),
    };
    let at = time(line["timestamp"].as_str().unwrap_or_default())?;
    successful_get(at, &words("method"), &words("path"), &words("status"), &words("bytes"))
}

fn text(line: &str) -> Result<Entry, NoEntry> {
    let (first, rest) = line.split_once(' ').ok_or(NoEntry::Unknown)?;
    let at = time(first)?;
    let is_response = MESSAGES.iter().any(|message| rest.contains(&format!(" {message} method=")));
    if !is_response {
        return Err(NoEntry::Other);
    }
    let field = |name: &str| field(rest, name).ok_or(NoEntry::Unknown);
    successful_get(at, field("method")?, field("path")?, field("status")?, field("bytes")?)
}

/// The value of a field, without its quotes. Paths are percent-encoded, so that they have neither spaces nor quotes.
fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(&format!(" {name}="))?;
    Some(rest.split(' ').next()?.trim_matches('"'))
}

fn time(text: &str) -> Result<u64, NoEntry> {
    OffsetDateTime::parse(text, &Rfc3339).map(since_1970).map_err(|_| NoEntry::Unknown)
}
