//! Limits log lines about faults that clients can cause at will: one line a minute for each kind.

use super::timeouts;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// When a fault of each kind was last logged.
#[derive(Debug, Default)]
pub struct LogLimit(Mutex<HashMap<&'static str, Instant>>);

impl LogLimit {
    /// Whether a fault of this kind may be logged now; then the next one may be logged a minute later.
    pub fn allow(&self, kind: &'static str) -> bool {
        let mut logged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lately = logged.get(kind).is_some_and(|at| at.elapsed() < timeouts::REPEATED_LOG_LINE);
        if !lately {
            logged.insert(kind, Instant::now());
        }
        !lately
    }
}
