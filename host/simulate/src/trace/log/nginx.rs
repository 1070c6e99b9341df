//! nginx's access log in the format `combined`:
//! `ADDRESS - USER [28/Nov/2026:00:00:00 +0000] "GET /path HTTP/1.1" 200 BYTES "REFERER" "AGENT"`.
//!
//! <https://nginx.org/en/docs/http/ngx_http_log_module.html>

use super::entry::{Entry, NoEntry, successful_get};
use crate::trace::times::since_1970;
use time::OffsetDateTime;
use time::format_description::FormatItem;
use time::macros::format_description;

const TIME: &[FormatItem<'_>] = format_description!(
    "[day]/[month repr:short]/[year]:[hour]:[minute]:[second] [offset_hour sign:mandatory][offset_minute]"
);

pub(in crate::trace) fn entry(line: &str) -> Result<Entry, NoEntry> {
    let (at, method, target, status, bytes) = parts(line).ok_or(NoEntry::Unknown)?;
    successful_get(Some(at), method, target, status, bytes)
}

fn parts(line: &str) -> Option<(u64, &str, &str, &str, &str)> {
    let (_, rest) = line.split_once(" [")?;
    let (time, rest) = rest.split_once("] \"")?;
    let (request, rest) = rest.split_once("\" ")?;
    let mut numbers = rest.split(' ');
    let (status, bytes) = (numbers.next()?, numbers.next()?);
    let mut words = request.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let at = since_1970(OffsetDateTime::parse(time, TIME).ok()?);
    Some((at, method, target, status, bytes))
}
