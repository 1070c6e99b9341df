//! What is known of a driver before there is an instance of it.

use super::built_in::BuiltIn;
use image_cache_model::Limits;
use image_cache_store::Directory;
use std::path::PathBuf;
use std::sync::Arc;

/// Which driver it is, how it is limited, and the cache on which it works.
#[derive(Debug, Clone)]
pub struct DriverContext {
    /// The driver as configured.
    pub name: String,
    pub built_in: Option<BuiltIn>,
    pub limits: Limits,
    /// The cache; none if a component is only inspected.
    pub cache: Option<Arc<Directory>>,
    /// The built-in sqlite driver's database, below the base directory.
    pub sqlite_db: PathBuf,
}
