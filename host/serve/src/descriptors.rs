//! File descriptors: the limit, how many a connection needs, and how many connections the limit allows.

use super::timeouts;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// The most that one connection needs at the same time: its socket, the cached image's file, and, if the image is
/// fetched, the upstream's socket and the incomplete file.
pub const OF_A_CONNECTION: u64 = 4;

/// What one fetch without a client needs: the upstream's socket, the incomplete file, and the reader that drains it.
const OF_A_FETCH: u64 = 3;

/// What operations need that open and close files at once: digests, stored responses, a prune, reading /proc.
const OF_OPERATIONS: u64 = 10;

/// What a connection to the admin listener needs: its socket, and the files that its request opens.
const OF_AN_OPERATOR: u64 = 2;

/// The minimum number of connections, even if there are fewer descriptors.
const LEAST_CONNECTIONS: u64 = 2;

/// The service requests at most this limit: it needs no more, and some systems have no limit.
const MOST: u64 = 1 << 20;

/// The descriptors of this process.
#[derive(Debug)]
pub struct Descriptors {
    limit: u64,
    reserve: u64,
    counted: Mutex<Option<(Instant, u64)>>,
}

/// The maximum number of connections of each listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shares {
    pub clients: usize,
    pub admin: usize,
}

impl Descriptors {
    /// Raises the soft limit to the hard one; `fetches` may run without a client.
    pub fn raise(fetches: u64) -> Descriptors {
        let known = getrlimit(Resource::Nofile);
        let hard = known.maximum.unwrap_or(MOST).min(MOST);
        let mut limit = known.current.unwrap_or(MOST).min(MOST);
        if limit < hard {
            let wanted = Rlimit { current: Some(hard), maximum: known.maximum };
            match setrlimit(Resource::Nofile, wanted) {
                Ok(()) => limit = hard,
                Err(error) => {
                    tracing::warn!(%error, limit, hard, "the limit of open files cannot be raised");
                }
            }
        }
        let reserve = OF_OPERATIONS + OF_A_FETCH * fetches;
        Descriptors { limit, reserve, counted: Mutex::new(None) }
    }

    /// The limit.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// How many connections the limit allows besides the descriptors open now. Logs a warning if that is fewer than `wanted`.
    pub fn shares(&self, wanted: u32) -> Shares {
        self.shares_beside(count().unwrap_or(0), wanted)
    }

    /// The same with this number of open descriptors.
    fn shares_beside(&self, open_now: u64, wanted: u32) -> Shares {
        let carried = |admin: u64| {
            let free = self.limit.saturating_sub(open_now + self.reserve + admin * OF_AN_OPERATOR);
            (free / OF_A_CONNECTION).max(LEAST_CONNECTIONS)
        };
        let wanted = u64::from(wanted);
        let admin = (carried(0) / 8).max(LEAST_CONNECTIONS).min(wanted);
        let clients = carried(admin).min(wanted);
        if clients < wanted {
            let (limit, needed) = (self.limit, OF_A_CONNECTION);
            tracing::warn!(
                limit,
                open_now,
                needed,
                connections = clients,
                "the limit of open files allows fewer connections than --max-connections: raise it (ulimit -Hn, LimitNOFILE=)"
            );
        }
        let share = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        Shares { clients: share(clients), admin: share(admin) }
    }

    /// Whether there are descriptors for one more connection. Fetches whose clients have disconnected also use descriptors,
    /// so the number of connections alone does not show this.
    pub fn has_room(&self) -> bool {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = counted.filter(|(at, _)| at.elapsed() < timeouts::DESCRIPTOR_COUNT_TTL);
        let in_use = match fresh {
            Some((_, in_use)) => in_use,
            // It fails if no descriptor is free.
            None => count().unwrap_or(self.limit),
        };
        if fresh.is_none() {
            *counted = Some((Instant::now(), in_use));
        }
        in_use + OF_A_CONNECTION <= self.limit
    }
}

/// The number of open descriptors, without the one that this function opens; `None` if it is unknown.
pub fn count() -> Option<u64> {
    let open = std::fs::read_dir("/proc/self/fd").ok()?;
    Some((open.count() as u64).saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_descriptors_allow_few_connections_and_many_allow_all_that_are_wanted() {
        let with = |limit| Descriptors { limit, reserve: 16, counted: Mutex::new(None) };
        let open = 30;
        let few = with(open + 41).shares_beside(open, 1024);
        assert_eq!(few, Shares { clients: 5, admin: 2 });
        assert_eq!(with(8).shares_beside(open, 1024), Shares { clients: 2, admin: 2 });
        let many = with(open + 100_000);
        assert_eq!(many.shares_beside(open, 1024).clients, 1024);
        assert_eq!(many.shares_beside(open, 1), Shares { clients: 1, admin: 1 });
        let open = count().expect("the descriptors of this process are known");
        assert!(open > 0 && with(open + 100_000).shares(1024).clients == 1024);
    }
}
