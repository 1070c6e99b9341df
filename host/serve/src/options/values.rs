//! Values that several options have in common.

use std::time::Duration;

/// A number of seconds, or a number with a unit.
pub fn time(text: &str) -> Result<Duration, String> {
    let seconds = text.trim().parse().ok().and_then(|n: f64| Duration::try_from_secs_f64(n).ok());
    seconds.or_else(|| humantime::parse_duration(text.trim()).ok()).ok_or_else(|| {
        "accepted: seconds (5), or a number with a unit (\"500ms\", \"2m\")".to_owned()
    })
}
