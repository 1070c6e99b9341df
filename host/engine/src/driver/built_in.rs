//! The drivers that are part of the host.

use image_cache_model::Grant;
use std::collections::BTreeSet;

/// The drivers that are part of the host. The feature `policies` adds those that differ only in their policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuiltIn {
    /// Records in an SQLite database; evicts in the order of LRU.
    Sqlite,
    /// Records in extended attributes, in Glance's format; evicts in the order of LRU.
    Xattr,
    /// GDSF.
    #[cfg(feature = "policies")]
    Gdsf,
    /// S3-FIFO.
    #[cfg(feature = "policies")]
    S3Fifo,
    /// SIEVE.
    #[cfg(feature = "policies")]
    Sieve,
    /// Admission at the second request, then LRU.
    #[cfg(feature = "policies")]
    TwoHit,
}

/// The component that the build script wrote.
macro_rules! component {
    ($name:literal) => {
        include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".wasm"))
    };
}

impl BuiltIn {
    /// All of them.
    pub const ALL: &'static [BuiltIn] = &[
        BuiltIn::Sqlite,
        BuiltIn::Xattr,
        #[cfg(feature = "policies")]
        BuiltIn::Gdsf,
        #[cfg(feature = "policies")]
        BuiltIn::S3Fifo,
        #[cfg(feature = "policies")]
        BuiltIn::Sieve,
        #[cfg(feature = "policies")]
        BuiltIn::TwoHit,
    ];

    /// Its name in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            BuiltIn::Sqlite => "sqlite",
            BuiltIn::Xattr => "xattr",
            #[cfg(feature = "policies")]
            BuiltIn::Gdsf => "gdsf",
            #[cfg(feature = "policies")]
            BuiltIn::S3Fifo => "s3-fifo",
            #[cfg(feature = "policies")]
            BuiltIn::Sieve => "sieve",
            #[cfg(feature = "policies")]
            BuiltIn::TwoHit => "two-hit",
        }
    }

    /// The driver of this name, if there is one. For the names that Glance uses too, letter case does not count.
    pub fn named(name: &str) -> Option<BuiltIn> {
        let has_name = |built_in: &BuiltIn| match built_in {
            BuiltIn::Sqlite | BuiltIn::Xattr => built_in.name().eq_ignore_ascii_case(name),
            #[cfg(feature = "policies")]
            _ => built_in.name() == name,
        };
        BuiltIn::ALL.iter().copied().find(has_name)
    }

    /// Its component.
    pub fn bytes(self) -> &'static [u8] {
        match self {
            BuiltIn::Sqlite => component!("sqlite"),
            BuiltIn::Xattr => component!("xattr"),
            #[cfg(feature = "policies")]
            BuiltIn::Gdsf => component!("gdsf"),
            #[cfg(feature = "policies")]
            BuiltIn::S3Fifo => component!("s3-fifo"),
            #[cfg(feature = "policies")]
            BuiltIn::Sieve => component!("sieve"),
            #[cfg(feature = "policies")]
            BuiltIn::TwoHit => component!("two-hit"),
        }
    }

    /// The capabilities that it is granted.
    pub fn grants(self) -> BTreeSet<Grant> {
        match self {
            BuiltIn::Xattr => BTreeSet::from([Grant::Attributes, Grant::Files]),
            _ => BTreeSet::from([Grant::Sql]),
        }
    }
}
