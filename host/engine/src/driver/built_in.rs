//! The drivers that are part of the host.

use image_cache_model::Grant;
use std::collections::BTreeSet;

/// The drivers that are part of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuiltIn {
    /// Records in an SQLite database.
    Sqlite,
    /// Records in extended attributes, in Glance's format.
    Xattr,
}

impl BuiltIn {
    /// All of them.
    pub const ALL: [BuiltIn; 2] = [BuiltIn::Sqlite, BuiltIn::Xattr];

    /// Its name in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            BuiltIn::Sqlite => "sqlite",
            BuiltIn::Xattr => "xattr",
        }
    }

    /// Its component.
    pub fn bytes(self) -> &'static [u8] {
        match self {
            BuiltIn::Sqlite => include_bytes!(concat!(env!("OUT_DIR"), "/sqlite.wasm")),
            BuiltIn::Xattr => include_bytes!(concat!(env!("OUT_DIR"), "/xattr.wasm")),
        }
    }

    /// The capabilities that it is granted.
    pub fn grants(self) -> BTreeSet<Grant> {
        match self {
            BuiltIn::Sqlite => BTreeSet::from([Grant::Sql]),
            BuiltIn::Xattr => BTreeSet::from([Grant::Attributes, Grant::Files]),
        }
    }
}
