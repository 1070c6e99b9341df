//! Times as records keep them: microseconds since 1970.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The latest timestamp, in microseconds since 1970 (the year 2255): a double represents it exactly.
const MAX_TIMESTAMP: u64 = 1 << 53;

/// Microseconds since 1970; 0 for an earlier time.
pub fn timestamp(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_micros()).map_or(MAX_TIMESTAMP, |micros| micros.min(MAX_TIMESTAMP))
}

/// The time of a guest's timestamp.
pub fn system_time(timestamp: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(timestamp.min(MAX_TIMESTAMP))
}
