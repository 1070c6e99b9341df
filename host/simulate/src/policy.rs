//! What decides which images stay in a simulated cache: a driver or a reference.

use crate::trace::Request;
use image_cache_engine::CallError;

/// A policy that a simulation asks. It knows an image by its [number](Request::image).
pub trait Policy {
    /// Counts a request of a cached image.
    ///
    /// # Errors
    /// If the driver's call failed.
    fn hit(&mut self, request: &Request) -> Result<(), PolicyError>;

    /// Whether an image that is not cached may be cached. This is asked for each miss, before anything is evicted.
    ///
    /// # Errors
    /// If the driver's call failed.
    fn admits(&mut self, request: &Request) -> Result<bool, PolicyError> {
        let _ = request;
        Ok(true)
    }

    /// Notes that an image that was admitted was not cached: it is larger than the cache, or nothing was evicted for it.
    ///
    /// # Errors
    /// If the driver's call failed.
    fn give_up(&mut self, request: &Request) -> Result<(), PolicyError> {
        let _ = request;
        Ok(())
    }

    /// Records an image that is cached now.
    ///
    /// # Errors
    /// If the driver's call failed.
    fn insert(&mut self, request: &Request) -> Result<(), PolicyError>;

    /// Selects a cached image to evict, and forgets it; `needed` bytes are to be freed for the request. `None` if the policy
    /// evicts nothing.
    ///
    /// # Errors
    /// If the driver's call failed.
    fn evict(&mut self, request: &Request, needed: u64) -> Result<Option<u32>, PolicyError>;

    /// Forgets a cached image that another version replaces.
    ///
    /// # Errors
    /// If the driver's call failed.
    fn remove(&mut self, request: &Request) -> Result<(), PolicyError>;

    /// Selects the images that the policy evicts anyway at this time, because of their age, and forgets them.
    ///
    /// # Errors
    /// If the driver's call failed.
    fn expire(&mut self, request: &Request) -> Result<Vec<u32>, PolicyError> {
        let _ = request;
        Ok(Vec::new())
    }

    /// Ends the simulation: what was held back is passed on.
    ///
    /// # Errors
    /// If the driver's call failed.
    fn finish(&mut self) -> Result<(), PolicyError> {
        Ok(())
    }

    /// The number of calls of a component and their time in seconds; 0 for a reference.
    fn calls(&self) -> (u64, f64) {
        (0, 0.0)
    }
}

/// Why a simulation cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// A call of the driver failed.
    #[error("{}", described(call, error))]
    Call {
        /// The function of the interface `driver`.
        call: &'static str,
        /// The failure.
        error: CallError,
    },
    /// The driver named a victim that is not cached.
    #[error("select-victims named {0:?}, which is not in the cache")]
    NotCached(String),
}

/// A failure with the name of the call, which most failures begin with.
fn described(call: &str, error: &CallError) -> String {
    let words = error.to_string();
    if words.starts_with(call) { words } else { format!("{call} failed: {words}") }
}
