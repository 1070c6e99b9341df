//! Squid's access log in its native format:
//! `SECONDS.MILLISECONDS ELAPSED CLIENT RESULT/STATUS BYTES METHOD URL USER HIERARCHY/PEER TYPE`.
//!
//! <https://wiki.squid-cache.org/Features/LogFormat>. The bytes include the response's head.

use super::entry::{Entry, NoEntry, successful_get};
use crate::trace::times::TimeUnit;

pub(in crate::trace) fn entry(line: &str) -> Result<Entry, NoEntry> {
    let (at, method, target, status, bytes) = parts(line).ok_or(NoEntry::Unknown)?;
    successful_get(Some(at), method, target, status, bytes)
}

fn parts(line: &str) -> Option<(u64, &str, &str, &str, &str)> {
    let mut words = line.split_ascii_whitespace();
    let (time, elapsed) = (words.next()?, words.next()?);
    elapsed.parse::<i64>().ok()?;
    let _client = words.next()?;
    let (_, status) = words.next()?.split_once('/')?;
    let (bytes, method, target) = (words.next()?, words.next()?, words.next()?);
    let at = TimeUnit::Seconds.micros(time).ok()?;
    Some((at, method, target, status, bytes))
}
