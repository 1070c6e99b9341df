//! The authorisation cache: it remembers for a few seconds, if the operator allows it, what the upstream has authorised.

use super::glance::Record;
use super::upstream_request::UpstreamRequest;
use hyper::header::{self, HeaderName};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The maximum number of entries.
const MOST: usize = 10_000;

/// Header fields that contain no credentials.
const NO_CREDENTIALS: [HeaderName; 5] = [
    header::ACCEPT,
    header::CONNECTION,
    header::USER_AGENT,
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("x-openstack-request-id"),
];

/// What the upstream has authorised, and until when each entry is valid.
///
/// The profile `glance` consults it before it asks Glance. An entry is valid for one image and for one set of credentials, of which
/// only a digest is kept; it ends after the time that the operator set, and when an image is changed through the service.
/// The default time is 0: then it is always empty. Losing an entry costs a request and permits nothing.
#[derive(Debug)]
pub struct AuthCache {
    ttl: Duration,
    allowed: Mutex<HashMap<AuthKey, (Instant, Arc<Record>)>>,
}

/// A digest of an image's id and of all header fields that may be credentials; the cache keeps no credential itself.
type AuthKey = [u8; 32];

impl AuthCache {
    /// Entries are valid for `ttl`; a zero time disables the cache.
    pub fn new(ttl: Duration) -> AuthCache {
        AuthCache { ttl, allowed: Mutex::default() }
    }

    /// The record of the image, if the upstream has recently authorised the same credentials.
    pub fn get(&self, request: &UpstreamRequest) -> Option<Arc<Record>> {
        if self.ttl.is_zero() {
            return None;
        }
        let allowed = self.allowed.lock().unwrap_or_else(PoisonError::into_inner);
        let (until, record) = allowed.get(&key(request))?;
        (Instant::now() < *until).then(|| Arc::clone(record))
    }

    /// Remembers that the upstream has authorised this request for the image of this record.
    pub fn insert(&self, request: &UpstreamRequest, record: &Arc<Record>) {
        if self.ttl.is_zero() {
            return;
        }
        let now = Instant::now();
        let Some(until) = now.checked_add(self.ttl) else { return };
        let mut allowed = self.allowed.lock().unwrap_or_else(PoisonError::into_inner);
        if allowed.len() >= MOST {
            allowed.retain(|_, (until, _)| *until > now);
        }
        if allowed.len() < MOST {
            allowed.insert(key(request), (until, Arc::clone(record)));
        }
    }

    /// Forgets all entries, because an image was withdrawn.
    pub fn clear(&self) {
        self.allowed.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

fn key(request: &UpstreamRequest) -> AuthKey {
    let mut parts: Vec<(&str, &[u8])> = request
        .headers
        .iter()
        .filter(|(name, _)| !NO_CREDENTIALS.contains(name))
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    // The order of several values of one field matters.
    parts.sort_by_key(|(name, _)| *name);
    parts.push(("", request.target.as_bytes()));
    let mut digest = Sha256::new();
    for (name, value) in parts {
        for part in [name.as_bytes(), value] {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
    }
    digest.finalize().into()
}
