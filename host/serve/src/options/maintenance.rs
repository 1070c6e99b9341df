//! How often the service prunes and cleans the cache.

use super::values::time;
use clap::Args;
use std::time::Duration;

/// When the cache is kept in its bounds.
#[derive(Debug, Clone, Args)]
pub struct MaintenanceOptions {
    /// How often the cache is pruned, besides after a fetch that made it too large; 0: never
    #[arg(long, value_name = "TIME", env = "IMAGE_CACHE_PRUNE_EVERY", default_value = "30m", value_parser = time)]
    pub prune_every: Duration,
    /// How often the files of failed and stalled fetches are removed; 0: never
    #[arg(long, value_name = "TIME", env = "IMAGE_CACHE_CLEAN_EVERY", default_value = "1h", value_parser = time)]
    pub clean_every: Duration,
}
