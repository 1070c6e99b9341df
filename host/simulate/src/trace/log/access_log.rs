//! The lines that `image-cache serve` logs when a response has ended, as text or as JSON.
//!
//! The service's text has no time: systemd's journal adds one to each line, as `journalctl --output short-iso` shows it.

use super::entry::{Entry, NoEntry, successful_get};
use crate::trace::times::since_1970;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::FormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// The messages of lines about responses.
const MESSAGES: [&str; 3] = ["answered", "the client left", "response interrupted"];

/// The listener whose requests are those of images.
const CLIENTS: &str = "clients";

/// What the cache did with a request that is no request of an image.
const BYPASS: &str = "bypass";

/// RFC 3339, with an offset as older versions of `journalctl` write it.
const WITHOUT_COLON: &[FormatItem<'_>] = format_description!(
    "[year]-[month]-[day]T[hour]:[minute]:[second][offset_hour sign:mandatory][offset_minute]"
);

pub(in crate::trace) fn entry(line: &str) -> Result<Entry, NoEntry> {
    if line.starts_with('{') { json(line) } else { text(line) }
}

fn json(line: &str) -> Result<Entry, NoEntry> {
    let line: Value = serde_json::from_str(line).map_err(|_| NoEntry::Unknown)?;
    let (Some(time), true) = (line["timestamp"].as_str(), line["message"].is_string()) else {
        return Err(NoEntry::Unknown);
    };
    let words = |name: &str| match &line[name] {
        Value::String(words) => words.clone(),
        other => other.to_string(),
    };
    let is_response = MESSAGES.contains(&&*words("message"));
    let is_of_image = line["cache"].as_str().is_some_and(|cache| cache != BYPASS);
    if !is_response || !is_of_image || line["span"]["listener"] != CLIENTS {
        return Err(NoEntry::Other);
    }
    let at = time_of(time).ok_or(NoEntry::Unknown)?;
    successful_get(Some(at), &words("method"), &words("path"), &words("status"), &words("bytes"))
}

fn text(line: &str) -> Result<Entry, NoEntry> {
    let (before, _) = line.split_once(" request{id=").ok_or(NoEntry::Unknown)?;
    if !MESSAGES.iter().any(|message| line.contains(&format!(": {message} method="))) {
        return Err(NoEntry::Other);
    }
    let is_of_image = field(line, "cache").is_some_and(|cache| cache != BYPASS);
    if !is_of_image || !line.contains(&format!("listener=\"{CLIENTS}\"")) {
        return Err(NoEntry::Other);
    }
    let at = before.split(' ').next().and_then(time_of);
    let field = |name: &str| field(line, name).ok_or(NoEntry::Unknown);
    successful_get(at, field("method")?, field("path")?, field("status")?, field("bytes")?)
}

/// The value of a field, without its quotes. Paths are percent-encoded, so that they have neither spaces nor quotes.
fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(&format!(" {name}="))?;
    Some(rest.split(' ').next()?.trim_matches('"'))
}

fn time_of(text: &str) -> Option<u64> {
    let time = OffsetDateTime::parse(text, &Rfc3339);
    time.or_else(|_| OffsetDateTime::parse(text, WITHOUT_COLON)).ok().map(since_1970)
}
