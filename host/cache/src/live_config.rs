//! The configuration of an open cache, which can change while it is open.

use image_cache_model::Config;
use image_cache_store::sync::lock;
use std::sync::{Arc, Mutex, MutexGuard};

/// The configuration that the parts of an open cache share. Each use takes the current one, so that a change applies to everything
/// that begins after it.
#[derive(Debug)]
pub(crate) struct LiveConfig {
    current: Mutex<Arc<Config>>,
    changing: Mutex<()>,
}

impl LiveConfig {
    pub fn new(config: Config) -> LiveConfig {
        LiveConfig { current: Mutex::new(Arc::new(config)), changing: Mutex::default() }
    }

    /// The current configuration.
    pub fn get(&self) -> Arc<Config> {
        Arc::clone(&lock(&self.current))
    }

    /// The current configuration, unless a thread is changing it. In a forked child that thread may be gone.
    pub fn try_get(&self) -> Option<Arc<Config>> {
        self.current.try_lock().ok().map(|current| Arc::clone(&current))
    }

    /// Keeps other threads from changing the configuration between a read and a [`set`](Self::set).
    pub fn lock_changes(&self) -> MutexGuard<'_, ()> {
        lock(&self.changing)
    }

    /// Replaces the configuration.
    pub fn set(&self, config: Config) {
        *lock(&self.current) = Arc::new(config);
    }
}
