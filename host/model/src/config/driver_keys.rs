//! The keys of `[drivers.NAME]`, for the TOML reader and the manual.

use super::driver_config::Grant;

/// A key of a driver's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DriverKey {
    /// The key; a key of the inner table `limits` begins with `limits.`.
    pub name: &'static str,
    /// The default as a user would write it; empty if there is none.
    pub default: &'static str,
    /// Which values are accepted, in words.
    pub accepted: &'static str,
    /// The purpose of the key.
    pub help: &'static str,
}

pub(super) const COMPONENT: DriverKey = DriverKey {
    name: "component",
    default: "",
    accepted: "the path of a WebAssembly component, relative to this file's directory",
    help: "The component; required unless NAME is a built-in policy (gdsf, s3-fifo, sieve, two-hit), whose options and limits the table then sets",
};
pub(super) const SHA256: DriverKey = DriverKey {
    name: "sha256",
    default: "",
    accepted: "64 hexadecimal digits, in quotes",
    help: "The SHA-256 digest of the component; a component with another digest is refused",
};
pub(super) const GRANTS: DriverKey = DriverKey {
    name: "grants",
    default: "[]",
    accepted: Grant::ACCEPTED,
    help: "The capabilities that the component may import",
};
pub(super) const OPTIONS: DriverKey = DriverKey {
    name: "options",
    default: "{}",
    accepted: "a table of strings",
    help: "The options that the driver reads",
};
pub(super) const MEMORY: DriverKey = DriverKey {
    name: "limits.memory",
    default: "64 MiB",
    accepted: "1 MiB to 4 GiB, a whole number of bytes or with a unit (\"64 MiB\")",
    help: "Linear memory",
};
pub(super) const GUEST_TIME: DriverKey = DriverKey {
    name: "limits.guest_time",
    default: "1s",
    accepted: "10 ms to 10 min, whole seconds or with a unit (1, \"500ms\")",
    help: "The processor time of a call inside the component; at most `call_time`",
};
pub(super) const CALL_TIME: DriverKey = DriverKey {
    name: "limits.call_time",
    default: "2s",
    accepted: "10 ms to 10 min, whole seconds or with a unit (1, \"500ms\")",
    help: "The time of a whole call, with its host calls",
};
pub(super) const COMPONENT_SIZE: DriverKey = DriverKey {
    name: "limits.component",
    default: "32 MiB",
    accepted: "1 KiB to 1 GiB, a whole number of bytes or with a unit (\"32 MiB\")",
    help: "The size of the component; a larger one is not read",
};
pub(super) const DATABASE: DriverKey = DriverKey {
    name: "limits.database",
    default: "1 GiB",
    accepted: "8 MiB to 1 TiB, a whole number of bytes or with a unit (\"1 GiB\")",
    help: "The size of the driver's database, with SQLite's log",
};
pub(super) const INSTANCES: DriverKey = DriverKey {
    name: "limits.instances",
    default: "32",
    accepted: "1 to 10000, a whole number",
    help: "The number of core instances, of memories and of tables; a component that is composed of many modules needs more",
};

/// Every key, in the order of the documentation.
pub const DRIVER_KEYS: &[DriverKey] = &[
    COMPONENT,
    SHA256,
    GRANTS,
    OPTIONS,
    MEMORY,
    GUEST_TIME,
    CALL_TIME,
    COMPONENT_SIZE,
    DATABASE,
    INSTANCES,
];

#[cfg(all(test, feature = "config-files"))]
mod tests {
    use super::*;
    use crate::config::{Config, Limits};

    #[test]
    fn the_limits_of_the_table_are_the_defaults() {
        let limits = DRIVER_KEYS.iter().filter(|key| key.name.starts_with("limits."));
        let limits: Vec<String> =
            limits.map(|key| format!("{} = {:?}", key.name, key.default)).collect();
        let text = format!(
            "image_cache_dir = \"/c\"\n[drivers.lfu]\ncomponent = \"lfu.wasm\"\n{}",
            limits.join("\n")
        );
        let config = Config::from_toml(&text, "/etc/x.toml".as_ref()).expect("it is accepted");
        assert_eq!((limits.len(), config.drivers["lfu"].limits), (6, Limits::default()));
    }
}
