//! Every wait of the service and its timeout, in one place.
//!
//! A bound that an operator sets is an option; the others are the constants below. `docs/serve.md` contains the table
//! [`TIMEOUTS`]; a test compares the two.

use std::time::Duration;

/// The time for a client to read the response before the connection is closed. The service reads and discards what the
/// client still sends.
pub const LINGER: Duration = Duration::from_secs(10);

/// The same, if the client sends nothing.
pub const LINGER_SILENT: Duration = Duration::from_secs(2);

/// A client that has closed its half of the connection is disconnected if there is nothing to write for this time.
pub const HALF_CLOSED: Duration = Duration::from_secs(10);

/// How often the service checks whether a client that waits for bytes is still connected.
pub const CLIENT_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The most bytes that are read and discarded before a connection is closed.
pub const LINGER_BYTES: u64 = 256 << 20;

/// If there is no room for another connection, a connection without a first request is closed after this time.
pub const FIRST_REQUEST_AT_LIMIT: Duration = Duration::from_secs(5);

/// How often the service checks for room while a connection waits for it.
pub const ROOM_CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// How long a count of descriptors is used.
pub const DESCRIPTOR_COUNT_TTL: Duration = Duration::from_millis(20);

/// The pause after a failure to accept a connection.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The time for each step of a stop: the parts of the service, fetches without a reader, and the records.
pub const SHUTDOWN_STEP: Duration = Duration::from_secs(10);

/// The time after which a request to the admin listener gets a response, even if its operation continues.
pub const ADMIN_ANSWER: Duration = Duration::from_secs(15 * 60);

/// The time for the cache to show that it is healthy.
pub const HEALTH: Duration = Duration::from_secs(10);

/// The time for a reader of standard output to read the line with the address.
pub const LISTENING_LINE: Duration = Duration::from_secs(1);

/// A fault of one kind is logged once in this time.
pub const REPEATED_LOG_LINE: Duration = Duration::from_secs(60);

/// Every wait of the service: what it waits for, and the option or the fixed time that ends the wait.
#[cfg_attr(not(test), allow(dead_code))]
pub const TIMEOUTS: [(&str, &str); 18] = [
    ("a TLS handshake", "`--idle-timeout`"),
    ("the header of a request, and of each later one on the connection", "`--idle-timeout`"),
    ("the next bytes of a request's body", "`--body-timeout`, then 408"),
    ("a client that stops reading a response", "`--body-timeout`"),
    ("a client that keeps sending after it got its response", "10 s, 2 s of silence, 256 MiB"),
    ("bytes for a client that has closed its half of the connection", "10 s without a byte"),
    ("room for another connection", "closes idle ones; new ones without a request after 5 s"),
    ("a connection to the upstream, with its TLS handshake", "`--upstream-timeout`"),
    ("the upstream's response, including to an authorisation request", "`--upstream-timeout`"),
    ("the next bytes of an upstream's body, fetched or forwarded", "`--upstream-timeout`"),
    (
        "another process's fetch that makes no progress",
        "`image_cache_other_writer_patience`, once for all waiting requests",
    ),
    (
        "the cache directory's lock, which another process holds",
        "30 s, then 1 s until it is free; the response bypasses the cache",
    ),
    ("a call to the driver", "its time limit, `limits.call_time`"),
    ("responses in progress when the service stops", "`--stop-within`; a second signal"),
    ("fetches, records and open files at a stop", "10 s each"),
    ("a request to the admin listener", "15 min, then 503"),
    ("`/healthz`", "10 s, then 503"),
    (
        "the reader of standard error",
        "none: lines are dropped and counted; 2 s of silence at the end",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timeouts_of_the_admin_listener_are_those_in_the_manual() {
        let bound = |what| TIMEOUTS.iter().find(|wait| wait.0 == what).map(|wait| wait.1);
        assert_eq!(bound("a request to the admin listener"), Some("15 min, then 503"));
        assert_eq!(ADMIN_ANSWER, Duration::from_secs(15 * 60));
        assert_eq!(bound("`/healthz`"), Some("10 s, then 503"));
        assert_eq!(HEALTH, Duration::from_secs(10));
    }

    #[test]
    fn the_manual_shows_every_wait_with_its_bound() {
        let manual = include_str!("../../../docs/serve.md");
        for (what, bound) in TIMEOUTS {
            let row = format!("| {what} | {bound} |");
            assert!(manual.contains(&row), "docs/serve.md lacks the row\n{row}");
        }
    }
}
