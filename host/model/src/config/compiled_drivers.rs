//! `image_cache_compiled_drivers`: where compiled drivers are kept.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// `image_cache_compiled_drivers`: where compiled drivers are kept for the next start.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum CompiledDrivers {
    /// In the user's directory: `compiled/` in `$CACHE_DIRECTORY`, `$XDG_CACHE_HOME/image-cache` or `~/.cache/image-cache`.
    #[default]
    User,
    /// Nowhere: each process compiles its drivers.
    None,
    /// In this directory, which caches and processes can share.
    Directory(PathBuf),
}

impl CompiledDrivers {
    /// A value of a configuration; any other text than a choice is a path.
    ///
    /// ```
    /// use image_cache_model::CompiledDrivers;
    /// assert_eq!(CompiledDrivers::of_text("none"), CompiledDrivers::None);
    /// let shared = CompiledDrivers::Directory("/var/cache/drivers".into());
    /// assert_eq!(CompiledDrivers::of_text("/var/cache/drivers"), shared);
    /// assert_eq!(shared.to_text(), "/var/cache/drivers");
    /// ```
    pub fn of_text(text: impl AsRef<OsStr>) -> CompiledDrivers {
        let text = text.as_ref();
        match text.to_str() {
            Some("user") => CompiledDrivers::User,
            Some("none") => CompiledDrivers::None,
            _ => CompiledDrivers::Directory(text.into()),
        }
    }

    /// The value in a configuration.
    pub fn to_text(&self) -> OsString {
        match self {
            CompiledDrivers::User => "user".into(),
            CompiledDrivers::None => "none".into(),
            CompiledDrivers::Directory(path) => path.clone().into(),
        }
    }
}
