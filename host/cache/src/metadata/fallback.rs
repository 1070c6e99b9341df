//! Why the built-in sqlite driver is used instead of the configured one.

use crate::error::{DriverFailure, Error};
use image_cache_engine::LoadError;
use std::error::Error as StdError;
use std::fmt;
use std::mem::discriminant;
use std::sync::Arc;
use std::time::Duration;

/// Why the sqlite driver is used instead of the configured one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fallback {
    /// The driver in the configuration.
    pub configured: String,
    /// Why it could not be used.
    pub reason: FallbackReason,
}

/// Why the configured driver could not be used. Two reasons are equal if they have the same variant and the same text.
///
/// ```
/// use image_cache::{Config, FallbackReason, ImageCache, LoadFault};
/// # let scratch = tempfile::tempdir()?;
/// # let directory = scratch.path().join("cache");
/// let cache = ImageCache::open(Config::builder(directory).driver("/nowhere/lfu.wasm").build()?)?;
/// match cache.driver().fallback.expect("there is no such file").reason {
///     FallbackReason::Load(error) => assert!(matches!(error.faults(), [LoadFault::Unreadable { .. }])),
///     other => panic!("{other}"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum FallbackReason {
    /// It could not be loaded.
    Load(LoadError),
    /// It failed too often within some time.
    FailedTooOften {
        /// The operation that failed.
        operation: &'static str,
        /// How often it failed.
        failures: u64,
        /// Within which time.
        within: Duration,
        /// The last failure.
        last: Box<DriverFailure>,
    },
    /// Its calls in one operation together took too long.
    OutOfTime {
        /// The operation.
        operation: &'static str,
        /// The failure, with the time that the calls had.
        failure: Box<DriverFailure>,
    },
    /// This process was forked and cannot open the cache, so it uses no driver at all.
    NotOpen(Arc<Error>),
    /// Another process noted this text in the cache directory.
    Noted(String),
}

impl fmt::Display for FallbackReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FallbackReason::Load(error) => write!(f, "{error}"),
            FallbackReason::FailedTooOften { operation, failures, within, last } => write!(
                f,
                "it failed to {operation} {failures} times within {} s, most recently: {last}",
                within.as_secs()
            ),
            FallbackReason::OutOfTime { operation, failure } => {
                write!(f, "it failed to {operation}: {failure}")
            }
            FallbackReason::NotOpen(error) => write!(f, "{error}"),
            FallbackReason::Noted(text) => f.write_str(text),
        }
    }
}

impl StdError for FallbackReason {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            FallbackReason::Load(error) => Some(error),
            FallbackReason::FailedTooOften { last, .. } => Some(&**last),
            FallbackReason::OutOfTime { failure, .. } => Some(&**failure),
            FallbackReason::NotOpen(error) => Some(&**error),
            FallbackReason::Noted(_) => None,
        }
    }
}

impl PartialEq for FallbackReason {
    fn eq(&self, other: &FallbackReason) -> bool {
        discriminant(self) == discriminant(other) && self.to_string() == other.to_string()
    }
}

impl Eq for FallbackReason {}
