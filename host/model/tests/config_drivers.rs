//! `[drivers.NAME]` and paths of components in TOML configurations.

#![cfg(feature = "config-files")]
#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use image_cache_model::{Config, ConfigError};
use std::path::Path;

fn read(text: &str) -> Result<Config, ConfigError> {
    Config::from_toml(text, Path::new("/etc/cache/image-cache.toml"))
}

/// The faults of a configuration with the directory and this text.
fn faults(text: &str) -> Vec<String> {
    let text = format!("image_cache_dir = \"/c\"\n{text}\n");
    read(&text)
        .err()
        .map(|error| error.faults.iter().map(ToString::to_string).collect())
        .unwrap_or_default()
}

#[test]
fn bad_drivers_name_the_line_and_the_table() {
    for (table, key, found) in [
        ("[drivers.lfu]", "drivers.lfu.component", "found no path"),
        ("[drivers.lfu]\ncomponent = 5", "drivers.lfu.component", "found 5;"),
        ("[drivers.lfu]\ncomponent = \"\"", "drivers.lfu.component", "found \"\";"),
        (
            "[drivers.lfu]\ncomponent = \"x\"\ncomponents = \"x\"",
            "drivers.lfu.components",
            "did you mean component?",
        ),
        (
            "[drivers.lfu]\ncomponent = \"x\"\nsha256 = \"abc\"",
            "drivers.lfu.sha256",
            "64 hexadecimal digits",
        ),
        ("[drivers.lfu]\ncomponent = \"x\"\nsha256 = 5", "drivers.lfu.sha256", "found 5;"),
        (
            "[drivers.lfu]\ncomponent = \"x\"\ngrants = \"sql\"",
            "drivers.lfu.grants",
            "found \"sql\"; accepted: an array",
        ),
        (
            "[drivers.lfu]\ncomponent = \"x\"\ngrants = [\"net\"]",
            "drivers.lfu.grants",
            "\"sql\", \"attributes\", \"files\", \"wasi\"",
        ),
        ("[drivers.lfu]\ncomponent = \"x\"\ngrants = [7]", "drivers.lfu.grants", "found 7;"),
        (
            "[drivers.lfu]\ncomponent = \"x\"\noptions = { a = 1 }",
            "drivers.lfu.options.a",
            "found 1; accepted: text",
        ),
        (
            "[drivers.lfu]\ncomponent = \"x\"\noptions = 1",
            "drivers.lfu.options",
            "found 1; accepted: a table",
        ),
        (
            "[drivers.lfu]\ncomponent = \"x\"\nlimits = 1",
            "drivers.lfu.limits",
            "found 1; accepted: a table",
        ),
        (
            "[drivers.lfu]\ncomponent = \"x\"\nlimits = { cpu = 1 }",
            "drivers.lfu.limits.cpu",
            "memory, guest_time, call_time",
        ),
        (
            "[drivers.lfu]\ncomponent = \"x\"\nlimits = { memory = 5 }",
            "drivers.lfu.limits.memory",
            "1 MiB to 4 GiB",
        ),
        (
            "[drivers.lfu]\ncomponent = \"x\"\nlimits = { component = 5 }",
            "drivers.lfu.limits.component",
            "1 KiB to 1 GiB",
        ),
        (
            "[drivers.lfu]\ncomponent = \"x\"\nlimits = { database = 5 }",
            "drivers.lfu.limits.database",
            "8 MiB to 1 TiB",
        ),
        (
            "[drivers.lfu]\ncomponent = \"x\"\nlimits = { instances = 0 }",
            "drivers.lfu.limits.instances",
            "1 to 10000",
        ),
        (
            "[drivers.lfu]\ncomponent = \"x\"\nlimits = { instances = \"many\" }",
            "drivers.lfu.limits.instances",
            "found \"many\";",
        ),
        (
            "[drivers.lfu]\ncomponent = \"x\"\nlimits = { call_time = \"1h\" }",
            "drivers.lfu.limits.call_time",
            "10 ms to 10 min",
        ),
        (
            "[drivers.lfu]\ncomponent = \"x\"\nlimits = { call_time = \"x\" }",
            "drivers.lfu.limits.call_time",
            "found \"x\";",
        ),
        (
            "[drivers.lfu]\ncomponent = \"x\"\nlimits.guest_time = 5",
            "drivers.lfu.limits.guest_time",
            "more than the whole call may take",
        ),
        ("[drivers.SQLite]\ncomponent = \"x\"", "drivers.SQLite", "would hide a built-in driver"),
        ("[drivers.\"a/b\"]\ncomponent = \"x\"", "drivers.a/b", "1 to 64 letters"),
        ("drivers = 5", "drivers", "found 5; accepted: a table"),
        ("drivers.lfu = 5", "drivers.lfu", "found 5; accepted: a table"),
    ] {
        let faults = faults(table);
        assert_eq!(faults.len(), 1, "{table}: {faults:?}");
        let line = 1 + table.lines().count().max(1);
        let expected = format!("/etc/cache/image-cache.toml:{line}: {key}: found ");
        let at_table = format!("/etc/cache/image-cache.toml:2: {key}: found ");
        assert!(
            faults[0].starts_with(&expected) || faults[0].starts_with(&at_table),
            "{table}: {}",
            faults[0]
        );
        assert!(faults[0].contains(found), "{table}: {}", faults[0]);
    }
}

#[test]
fn a_relative_driver_path_starts_at_the_files_directory() {
    let driver = |text: &str| read(&format!("image_cache_dir = \"/c\"\n{text}")).unwrap().driver;
    assert_eq!(driver("image_cache_driver = \"lfu.wasm\""), "/etc/cache/lfu.wasm");
    assert_eq!(driver("image_cache_driver = \"./lfu\""), "/etc/cache/./lfu");
    assert_eq!(driver("image_cache_driver = \"/opt/lfu.wasm\""), "/opt/lfu.wasm");
    assert_eq!(driver("image_cache_driver = \"Sqlite\""), "sqlite");
    let named = "image_cache_driver = \"lfu.wasm\"\n[drivers.\"lfu.wasm\"]\ncomponent = \"x\"";
    assert_eq!(driver(named), "lfu.wasm");
}
