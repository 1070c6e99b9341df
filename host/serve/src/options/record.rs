//! Recording requests.

use clap::Args;
use std::path::PathBuf;

/// Whether requests are recorded.
#[derive(Debug, Clone, Args)]
pub struct RecordOptions {
    /// Append each request of an image that is answered with its bytes to this file, as a trace for `driver simulate`: its time, its path and the image's size
    #[arg(long, value_name = "FILE", env = "IMAGE_CACHE_RECORD")]
    pub record: Option<PathBuf>,
    /// Record a digest of each path (SHA-256, shortened) instead of the path; who knows a path can recognise it
    #[arg(long, env = "IMAGE_CACHE_RECORD_HASHED", requires = "record")]
    pub record_hashed: bool,
}
