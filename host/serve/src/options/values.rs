//! Values that several options have in common.

use hyper::header::HeaderName;
use std::time::Duration;

/// A number of seconds, or a number with a unit.
pub fn time(text: &str) -> Result<Duration, String> {
    let seconds = text.trim().parse().ok().and_then(|n: f64| Duration::try_from_secs_f64(n).ok());
    seconds.or_else(|| humantime::parse_duration(text.trim()).ok()).ok_or_else(|| {
        "accepted: seconds (5), or a number with a unit (\"500ms\", \"2m\")".to_owned()
    })
}

/// The name of a header field.
pub fn field(text: &str) -> Result<HeaderName, String> {
    text.trim().parse().map_err(|_| "accepted: the name of a header field, as X-Api-Key".to_owned())
}

/// A time other than 0, which nobody could meet.
pub fn timeout(text: &str) -> Result<Duration, String> {
    time(text).and_then(|time| match time {
        Duration::ZERO => Err("accepted: more than 0 seconds".to_owned()),
        time => Ok(time),
    })
}

/// A host and a port, for a listener. The host is looked up later.
pub fn address(text: &str) -> Result<String, String> {
    let port = text.rsplit_once(':').filter(|(host, _)| !host.is_empty());
    let is_address = port.is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    is_address
        .then(|| text.to_owned())
        .ok_or_else(|| "accepted: HOST:PORT (127.0.0.1:9293)".to_owned())
}

/// The same, or `none`.
pub fn address_or_none(text: &str) -> Result<String, String> {
    let other = || address(text).map_err(|accepted| format!("{accepted}, or none"));
    if text == "none" { Ok(text.to_owned()) } else { other() }
}
