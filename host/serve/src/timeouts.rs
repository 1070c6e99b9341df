//! Every wait of the service, what bounds it, and for how long: the one place where these times stand.
//!
//! A bound that an operator sets is an option, the others are the constants below. `docs/serve.md` shows the table
//! [`TIMEOUTS`]; a test holds the two together.

use std::time::Duration;

/// A client that was answered before it had sent all of its request gets so long to see the answer: what it still
/// sends is read and thrown away meanwhile.
pub const LINGER: Duration = Duration::from_secs(10);

/// The same, where it sends nothing.
pub const LINGER_SILENT: Duration = Duration::from_secs(2);

/// A client that sends nothing any more, and to which there is nothing to write, is given up after so long: it may have left.
pub const HALF_CLOSED: Duration = Duration::from_secs(10);

/// How often it is looked whether a client that timeouts for bytes is still there.
pub const CLIENT_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// So many bytes of it are thrown away at most.
pub const LINGER_BYTES: u64 = 256 << 20;

/// Where there is no room for another connection, one whose first request has not come after so long is closed.
pub const FIRST_REQUEST_AT_LIMIT: Duration = Duration::from_secs(5);

/// While a connection timeouts for room, it is looked for at least so often.
pub const ROOM_CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// A count of descriptors is trusted for so long.
pub const DESCRIPTOR_COUNT_TTL: Duration = Duration::from_millis(20);

/// A failure to accept a connection is slept over for so long.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Parts of the service, fetches that nobody reads, and the records have so long each to end at a stop.
pub const SHUTDOWN_STEP: Duration = Duration::from_secs(10);

/// An operator's request is answered after so long, even if what it asked for goes on.
pub const ADMIN_ANSWER: Duration = Duration::from_secs(15 * 60);

/// The cache has so long to show that it is healthy.
pub const HEALTH: Duration = Duration::from_secs(10);

/// The line that says where the service listens has so long to be taken.
pub const LISTENING_LINE: Duration = Duration::from_secs(1);

/// A fault of a kind that repeats is logged once in so long.
pub const REPEATED_LOG_LINE: Duration = Duration::from_secs(60);

/// A wait, and what bounds it.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(test), allow(dead_code))]
pub struct Timeout {
    /// What is waited for.
    pub what: &'static str,
    /// The option or the fixed time that ends it.
    pub bound: &'static str,
}

/// Every wait of the service.
#[cfg_attr(not(test), allow(dead_code))]
pub const TIMEOUTS: &[Timeout] = &[
    Timeout { what: "a TLS handshake", bound: "`--idle-timeout`" },
    Timeout { what: "the head of a request, also of the next one", bound: "`--idle-timeout`" },
    Timeout { what: "the next bytes of a request's body", bound: "`--body-timeout`, then 408" },
    Timeout { what: "a client that takes no byte of an answer", bound: "`--body-timeout`" },
    Timeout {
        what: "a client that sends on although it was answered",
        bound: "10 s, 2 s of silence, 256 MiB",
    },
    Timeout {
        what: "bytes for a client that has closed its half of the connection",
        bound: "10 s without a byte",
    },
    Timeout {
        what: "room for another connection",
        bound: "closes idle ones; new ones without a request after 5 s",
    },
    Timeout {
        what: "a connection to the upstream, with its TLS handshake",
        bound: "`--upstream-timeout`",
    },
    Timeout {
        what: "the upstream's answer, also to the question whether a caller may have an image",
        bound: "`--upstream-timeout`",
    },
    Timeout {
        what: "the next bytes of an upstream's body, fetched or passed through",
        bound: "`--upstream-timeout`",
    },
    Timeout {
        what: "another process's fetch that brings nothing",
        bound: "`image_cache_other_writer_patience`, once for all who wait",
    },
    Timeout { what: "answers under way at a stop", bound: "`--stop-within`; a second signal" },
    Timeout { what: "fetches, records and open files at a stop", bound: "10 s each" },
    Timeout { what: "an operator's request", bound: "15 min, then 503" },
    Timeout { what: "`/healthz`", bound: "10 s, then 503" },
    Timeout {
        what: "whoever reads the log",
        bound: "none: lines are dropped and counted; 2 s of silence at the end",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_of_the_admin_listener_are_those_that_the_manual_shows() {
        let bound = |what| TIMEOUTS.iter().find(|wait| wait.what == what).map(|wait| wait.bound);
        assert_eq!(bound("an operator's request"), Some("15 min, then 503"));
        assert_eq!(ADMIN_ANSWER, Duration::from_secs(15 * 60));
        assert_eq!(bound("`/healthz`"), Some("10 s, then 503"));
        assert_eq!(HEALTH, Duration::from_secs(10));
    }

    #[test]
    fn the_manual_shows_every_wait_with_its_bound() {
        let manual = include_str!("../../../docs/serve.md");
        for Timeout { what, bound } in TIMEOUTS {
            let row = format!("| {what} | {bound} |");
            assert!(manual.contains(&row), "docs/serve.md lacks the row\n{row}");
        }
    }
}
