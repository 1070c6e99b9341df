//! The open cache of each process: a forked child opens the cache anew at its first use of it.

use super::inner::CacheInner;
use crate::error::Result;
use image_cache_model::Config;
use image_cache_store::process::PerProcess;
use image_cache_store::sync::lock;
use std::sync::{Arc, Mutex, OnceLock};

/// What the clones of an [`ImageCache`](super::ImageCache) share: in each process the open cache.
///
/// A child inherits a copy of its parent's, with locks that nobody may release and connections that are the parent's. It is neither
/// used nor dropped there; the child opens its own, with the same configuration.
#[derive(Debug)]
pub(crate) struct CacheHandle {
    opened: PerProcess<Opened>,
    /// The configuration with which it was opened first.
    first_config: Arc<Config>,
}

#[derive(Debug, Default)]
struct Opened {
    inner: OnceLock<Arc<CacheInner>>,
    /// Held by the thread that opens it.
    opening: Mutex<()>,
}

impl CacheHandle {
    pub fn new(inner: CacheInner) -> CacheHandle {
        let (first_config, inner) = (inner.config(), OnceLock::from(Arc::new(inner)));
        let opened = PerProcess::with(Opened { inner, opening: Mutex::default() });
        CacheHandle { opened, first_config }
    }

    /// The open cache of this process.
    ///
    /// # Errors
    /// If this process is a forked child and cannot open it; the next use tries again.
    pub fn inner(&self) -> Result<&Arc<CacheInner>> {
        let opened = self.opened.get();
        opened.inner.get().map_or_else(|| self.open(opened), Ok)
    }

    /// The current configuration. A child that has not opened the cache has that of its parent.
    pub fn config(&self) -> Arc<Config> {
        self.opened
            .get()
            .inner
            .get()
            .map_or_else(|| self.inherited_config(), |inner| inner.config())
    }

    #[cold]
    fn open<'a>(&self, opened: &'a Opened) -> Result<&'a Arc<CacheInner>> {
        let _one_at_a_time = lock(&opened.opening);
        if let Some(inner) = opened.inner.get() {
            return Ok(inner);
        }
        tracing::debug!("this process was forked: it opens the cache anew");
        let inner = CacheInner::open(Config::clone(&self.inherited_config()))?;
        #[cfg(feature = "tokio")]
        let inner = self.with_inherited_budget(inner);
        Ok(opened.inner.get_or_init(|| Arc::new(inner)))
    }

    fn inherited_config(&self) -> Arc<Config> {
        let inherited = self.inherited().and_then(|inner| inner.live_config.try_get());
        inherited.unwrap_or_else(|| Arc::clone(&self.first_config))
    }

    /// With a budget as large as that of the parent.
    #[cfg(feature = "tokio")]
    fn with_inherited_budget(&self, inner: CacheInner) -> CacheInner {
        let mut inner = inner;
        if let Some(parent) = self.inherited() {
            inner.read_budget = parent.read_budget.renewed();
        }
        inner
    }

    /// The cache that the nearest ancestor had open.
    fn inherited(&self) -> Option<&Arc<CacheInner>> {
        self.opened.inherited().find_map(|opened| opened.inner.get())
    }
}
