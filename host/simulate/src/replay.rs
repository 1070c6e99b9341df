//! The simulated cache: which images it holds, and what each request of a trace does to it.

use crate::policy::{Policy, PolicyError};
use crate::trace::{Request, Trace};

/// The result of a simulation.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Outcome {
    /// Requests of the trace.
    pub requests: u64,
    /// The sum of their sizes, in bytes.
    pub bytes: u64,
    /// Requests whose image was cached.
    pub hits: u64,
    /// The sum of the sizes of the hits, in bytes.
    pub hit_bytes: u64,
    /// Images that were evicted.
    pub evictions: u64,
    /// Misses that were not cached: larger than the cache, not admitted, or the policy evicted nothing.
    pub refused: u64,
    /// Calls of the component; 0 for a reference.
    pub calls: u64,
    /// The time of these calls, in seconds.
    pub call_seconds: f64,
}

impl Outcome {
    /// Hits per request, from 0 to 1.
    pub fn hit_ratio(&self) -> f64 {
        ratio(self.hits, self.requests)
    }

    /// Bytes of the hits per byte requested, from 0 to 1.
    pub fn byte_hit_ratio(&self) -> f64 {
        ratio(self.hit_bytes, self.bytes)
    }

    /// The mean time of a call, in microseconds; `None` for a reference.
    pub fn call_micros(&self) -> Option<f64> {
        (self.calls > 0).then(|| self.call_seconds * 1e6 / self.calls as f64)
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// How often the policy is asked which images it evicts anyway, in microseconds of the trace: as often as the service prunes.
const EXPIRE_EVERY: u64 = 30 * 60 * 1_000_000;

/// The images that a simulated cache holds.
struct SimulatedCache {
    capacity: u64,
    used: u64,
    /// The size of each cached image, by its number.
    sizes: Vec<Option<u64>>,
}

/// Replays a trace through a policy, with a cache of `capacity` bytes that is empty at the start.
///
/// A request of a cached image is a hit. Otherwise the policy is asked for admission, images are evicted one at a time until the
/// new one fits, and it is cached. If it does not fit, the policy is told that the fetch ended without it. Every half hour of the trace, the policy evicts the images that are too old for it. A request with
/// another size than the cached image is one of a new version: the old one is forgotten, and the request is a miss.
///
/// # Errors
/// If a call of the driver failed, or if it named a victim that is not cached.
pub fn simulate(
    trace: &Trace,
    policy: &mut dyn Policy,
    capacity: u64,
) -> Result<Outcome, PolicyError> {
    let sizes = vec![None; trace.images.len()];
    let mut cache = SimulatedCache { capacity, used: 0, sizes };
    let mut outcome = Outcome::default();
    let mut expires_at = trace.requests.first().map_or(0, |first| first.at + EXPIRE_EVERY);
    for request in &trace.requests {
        if request.at >= expires_at {
            expires_at = request.at + EXPIRE_EVERY;
            for image in policy.expire(request)? {
                cache.forget(image);
                outcome.evictions += 1;
            }
        }
        outcome.requests += 1;
        outcome.bytes = outcome.bytes.saturating_add(request.size);
        if cache.serves(request, policy)? {
            outcome.hits += 1;
            outcome.hit_bytes = outcome.hit_bytes.saturating_add(request.size);
        } else if !cache.fills(request, policy, &mut outcome.evictions)? {
            outcome.refused += 1;
        }
    }
    policy.finish()?;
    (outcome.calls, outcome.call_seconds) = policy.calls();
    Ok(outcome)
}

impl SimulatedCache {
    /// Whether the request is a hit.
    fn serves(&mut self, request: &Request, policy: &mut dyn Policy) -> Result<bool, PolicyError> {
        match self.size(request.image) {
            Some(size) if size == request.size => {
                policy.hit(request)?;
                Ok(true)
            }
            Some(_) => {
                policy.remove(request)?;
                self.forget(request.image);
                Ok(false)
            }
            None => Ok(false),
        }
    }

    /// Whether the requested image is cached after its miss.
    fn fills(
        &mut self,
        request: &Request,
        policy: &mut dyn Policy,
        evictions: &mut u64,
    ) -> Result<bool, PolicyError> {
        if !policy.admits(request)? {
            return Ok(false);
        }
        if request.size > self.capacity {
            return policy.give_up(request).map(|()| false);
        }
        while self.used > self.capacity - request.size {
            let needed = self.used - (self.capacity - request.size);
            let Some(victim) = policy.evict(request, needed)? else {
                return policy.give_up(request).map(|()| false);
            };
            self.forget(victim);
            *evictions += 1;
        }
        policy.insert(request)?;
        self.used += request.size;
        self.sizes[request.image as usize] = Some(request.size);
        Ok(true)
    }

    fn size(&self, image: u32) -> Option<u64> {
        self.sizes[image as usize]
    }

    fn forget(&mut self, image: u32) {
        self.used -= self.sizes[image as usize].take().unwrap_or(0);
    }
}
