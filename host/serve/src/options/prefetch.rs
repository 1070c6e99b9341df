//! How queued images are fetched.

use clap::Args;
use std::path::PathBuf;

/// How queued images are fetched.
#[derive(Debug, Clone, Args)]
pub struct PrefetchSettings {
    /// How many queued images are fetched at once; 0: none
    #[arg(long, value_name = "N", env = "IMAGE_CACHE_PREFETCH_AT_ONCE", default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=64))]
    pub prefetch_at_once: u32,
    /// A file with the credentials for queued images: a token for X-Auth-Token, or headers (Name: value), one per line; read again for each image; its text can be in $IMAGE_CACHE_PREFETCH_CREDENTIALS instead
    #[arg(long, value_name = "FILE", env = "IMAGE_CACHE_PREFETCH_CREDENTIALS_FILE")]
    pub prefetch_credentials_file: Option<PathBuf>,
}
