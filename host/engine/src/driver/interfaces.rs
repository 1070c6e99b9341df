//! The interfaces that a driver may import: those of our package, and the packages of WASI.

use image_cache_model::Grant;

/// The package of the interface, and the one major version of it that the host supports.
pub(super) const PACKAGE: &str = "image-cache:driver";
pub(super) const MAJOR: &str = "1";

/// The interfaces that a driver may import without a grant.
pub(super) const WITHOUT_GRANT: [&str; 6] =
    ["types", "requests", "log", "capacity", "pins", "metrics"];

/// The interface that a driver may import with the grant of another one.
pub(super) const TRANSACTIONS: &str = "transactions";

/// The packages of WASI 0.2 that a grant of `wasi` links, all of them over an empty context.
pub(super) const WASI_PACKAGES: [&str; 6] =
    ["wasi:cli", "wasi:clocks", "wasi:filesystem", "wasi:io", "wasi:random", "wasi:sockets"];

/// Maximum number of imported and exported names: typical drivers need a tenth.
pub(super) const MAX_NAMES: usize = 1000;

/// The grants that each stand for one interface of our package, which has the grant's name.
pub(super) fn own_grants() -> impl Iterator<Item = Grant> {
    Grant::ALL.iter().copied().filter(|grant| *grant != Grant::Wasi)
}

/// The interfaces of our package that a driver may import, as a list in words.
pub(super) fn own_interfaces() -> String {
    let mut names: Vec<&str> =
        WITHOUT_GRANT.into_iter().chain(own_grants().map(Grant::name)).collect();
    names.push(TRANSACTIONS);
    let last = names.pop().unwrap_or_default();
    format!("{} and {last}", names.join(", "))
}
