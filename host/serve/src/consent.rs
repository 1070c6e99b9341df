//! The upstream's consent, remembered for a few seconds where the operator allows that.

use super::fetch::Ask;
use super::glance::Record;
use hyper::header::{self, HeaderName};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So many are remembered.
const MOST: usize = 10_000;

/// Headers that say nothing of who asks.
const NO_CREDENTIALS: [HeaderName; 5] = [
    header::ACCEPT,
    header::CONNECTION,
    header::USER_AGENT,
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("x-openstack-request-id"),
];

/// For whom the upstream would have served what, and until when that is believed.
#[derive(Debug)]
pub struct Consents {
    time: Duration,
    given: Mutex<HashMap<Key, (Instant, Arc<Record>)>>,
}

/// A digest of an image's id and of all headers that may be credentials: none of them is kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key([u8; 32]);

impl Consents {
    pub fn held_for(time: Duration) -> Consents {
        Consents { time, given: Mutex::default() }
    }

    /// What the upstream consented to for the same credentials and image, just now.
    pub fn given(&self, ask: &Ask) -> Option<Arc<Record>> {
        if self.time.is_zero() {
            return None;
        }
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let (until, record) = given.get(&key(ask))?;
        (Instant::now() < *until).then(|| Arc::clone(record))
    }

    /// The upstream has consented.
    pub fn give(&self, ask: &Ask, record: &Arc<Record>) {
        if self.time.is_zero() {
            return;
        }
        let now = Instant::now();
        let Some(until) = now.checked_add(self.time) else { return };
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        if given.len() >= MOST {
            given.retain(|_, (until, _)| *until > now);
        }
        if given.len() < MOST {
            given.insert(key(ask), (until, Arc::clone(record)));
        }
    }

    /// Nothing holds any more: an image was withdrawn.
    pub fn forget(&self) {
        self.given.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

fn key(ask: &Ask) -> Key {
    let mut parts: Vec<(&str, &[u8])> = ask
        .headers
        .iter()
        .filter(|(name, _)| !NO_CREDENTIALS.contains(name))
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    // The order of several values of one header is kept.
    parts.sort_by_key(|(name, _)| *name);
    parts.push(("", ask.target.as_bytes()));
    let mut digest = Sha256::new();
    for (name, value) in parts {
        for part in [name.as_bytes(), value] {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
    }
    Key(digest.finalize().into())
}
