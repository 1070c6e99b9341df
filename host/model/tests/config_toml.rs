//! TOML configurations: accepted values, and all faults at once with their lines.

#![cfg(feature = "config-files")]
#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use image_cache_model::{CompiledDrivers, Config, ConfigError, Durability, Grant, OtherWriter};
use std::path::Path;
use std::time::Duration;

fn read(text: &str) -> Result<Config, ConfigError> {
    Config::from_toml(text, Path::new("/etc/cache/image-cache.toml"))
}

/// The faults of a configuration with the directory and this line.
fn faults(line: &str) -> Vec<String> {
    let text = format!("image_cache_dir = \"/c\"\n{line}\n");
    read(&text)
        .err()
        .map(|error| error.faults.iter().map(ToString::to_string).collect())
        .unwrap_or_default()
}

#[test]
fn defaults_are_those_of_the_documentation() {
    let config = read("image_cache_dir = \"/c\"").unwrap();
    assert_eq!(config.dir, Path::new("/c"));
    assert_eq!(config.driver, "sqlite");
    assert_eq!(config.max_size, 10_737_418_240);
    assert_eq!(config.stall_time, Duration::from_secs(86_400));
    assert_eq!(config.sqlite_db, Path::new("cache.db"));
    assert_eq!(config.hit_delay, Duration::ZERO);
    assert_eq!((config.min_free, config.hard_limit), (0, false));
    assert_eq!((config.max_images, config.min_free_inodes), (None, 0));
    assert!(config.verify_reads);
    assert_eq!(config.durability, Durability::Full);
    assert_eq!(config.other_writer, OtherWriter::Follow);
    assert_eq!(config.other_writer_patience, Duration::from_secs(30));
    assert!(!config.fetch_to_end);
    assert_eq!(config.policy_min_age, Duration::from_secs(60));
    assert!(!config.policy_may_empty);
    assert_eq!(config.compiled_drivers, CompiledDrivers::User);
    assert!(config.signal_handlers);
    assert!(config.drivers.is_empty());
}

#[test]
fn every_option_is_read() {
    let digest = "00".repeat(31) + "fF";
    let config = read(&format!(
        r#"
        image_cache_dir = "relative/cache"
        image_cache_driver = "lfu"
        image_cache_max_size = "500MB"
        image_cache_stall_time = "2h"
        image_cache_sqlite_db = "./records/cache.db"
        image_cache_hit_delay = "500ms"
        image_cache_min_free = "2 GiB"
        image_cache_max_images = 100000
        image_cache_min_free_inodes = "5000"
        image_cache_hard_limit = true
        image_cache_verify_reads = false
        image_cache_durability = "rename-only"
        image_cache_other_writer = "pass-through"
        image_cache_other_writer_patience = "5s"
        image_cache_fetch_to_end = true
        image_cache_policy_min_age = "10m"
        image_cache_policy_may_empty = true
        image_cache_compiled_drivers = "/var/cache/drivers"
        image_cache_signal_handlers = false

        [drivers.lfu]
        component = "drivers/lfu.wasm"
        sha256 = "{digest}"
        grants = ["sql", "files"]
        options = {{ half_life = "24h" }}
        limits = {{ memory = "32 MiB", guest_time = "500ms", call_time = 1, component = "1 MiB", database = "2 GiB" }}

        [drivers.absolute]
        component = "/usr/lib/absolute.wasm"
        "#
    ))
    .unwrap();
    assert_eq!(config.dir, Path::new("relative/cache"));
    assert_eq!(config.driver, "lfu");
    assert_eq!(config.max_size, 500_000_000);
    assert_eq!(config.stall_time, Duration::from_secs(7_200));
    assert_eq!(config.sqlite_db, Path::new("records/cache.db"));
    assert_eq!(config.hit_delay, Duration::from_millis(500));
    assert_eq!((config.min_free, config.hard_limit), (2 << 30, true));
    assert_eq!((config.max_images, config.min_free_inodes), (Some(100_000), 5000));
    assert!(!config.verify_reads);
    assert_eq!(config.durability, Durability::RenameOnly);
    assert_eq!(config.other_writer, OtherWriter::PassThrough);
    assert_eq!(config.other_writer_patience, Duration::from_secs(5));
    assert!(config.fetch_to_end);
    assert_eq!(config.policy_min_age, Duration::from_secs(600));
    assert!(config.policy_may_empty);
    let compiled = CompiledDrivers::Directory("/var/cache/drivers".into());
    assert_eq!((config.compiled_drivers, config.signal_handlers), (compiled, false));
    let lfu = &config.drivers["lfu"];
    assert_eq!(lfu.component, Path::new("/etc/cache/drivers/lfu.wasm"));
    assert_eq!(lfu.sha256.unwrap()[30..], [0, 255]);
    assert_eq!(lfu.grants.iter().copied().collect::<Vec<_>>(), [Grant::Sql, Grant::Files]);
    assert_eq!(lfu.options["half_life"], "24h");
    assert_eq!(lfu.limits.memory, 32 << 20);
    assert_eq!(lfu.limits.guest_time, Duration::from_millis(500));
    assert_eq!(lfu.limits.call_time, Duration::from_secs(1));
    assert_eq!((lfu.limits.component, lfu.limits.database), (1 << 20, 2 << 30));
    assert_eq!(config.drivers["absolute"].component, Path::new("/usr/lib/absolute.wasm"));
}

#[test]
fn good_values_are_accepted() {
    for line in [
        "image_cache_max_size = 0",
        "image_cache_max_size = 9223372036854775807",
        "image_cache_max_size = 10_737_418_240",
        "image_cache_max_size = 0x10",
        "image_cache_stall_time = 0",
        "image_cache_stall_time = \"1000 days\"",
        "image_cache_hit_delay = 3600",
        "image_cache_min_free = 0",
        "image_cache_max_images = 0",
        "image_cache_max_images = 9223372036854775807",
        "image_cache_min_free_inodes = 0",
        "image_cache_min_free = 9223372036854775807",
        "image_cache_hard_limit = false",
        "image_cache_hard_limit = \"True\"",
        "image_cache_driver = \"XATTR\"",
        "image_cache_driver = \"centralized_db\"",
        "image_cache_sqlite_db = \"records.sqlite\"",
        "image_cache_sqlite_db = \".hidden\"",
        "image_cache_verify_reads = true",
        "image_cache_verify_reads = \"False\"",
        "image_cache_durability = \"full\"",
        "image_cache_other_writer = \"follow\"",
        "image_cache_other_writer_patience = 3600",
        "image_cache_fetch_to_end = \"false\"",
        "image_cache_policy_min_age = 0",
        "image_cache_policy_min_age = \"24h\"",
        "drivers = {}",
    ] {
        assert_eq!(faults(line), Vec::<String>::new(), "{line}");
    }
}

#[test]
fn bad_values_name_line_key_found_and_accepted() {
    for (line, key, found) in [
        ("image_cache_max_sise = 5", "image_cache_max_sise", "did you mean image_cache_max_size?"),
        ("max_size = 5", "max_size", "an unknown option"),
        ("image_cache_max_size = -1", "image_cache_max_size", "found -1;"),
        ("image_cache_max_size = 1.5", "image_cache_max_size", "found 1.5;"),
        ("image_cache_max_size = \"ten\"", "image_cache_max_size", "found \"ten\";"),
        ("image_cache_max_size = true", "image_cache_max_size", "found true;"),
        ("image_cache_max_size = [1]", "image_cache_max_size", "found an array;"),
        (
            "image_cache_max_size = \"8 EiB\"",
            "image_cache_max_size",
            "0 to 9223372036854775807 bytes",
        ),
        (
            "image_cache_max_size = 9223372036854775808",
            "image_cache_max_size",
            "9223372036854775808",
        ),
        ("image_cache_stall_time = -1", "image_cache_stall_time", "found -1;"),
        ("image_cache_stall_time = 0.5", "image_cache_stall_time", "found 0.5;"),
        ("image_cache_stall_time = \"1001 years\"", "image_cache_stall_time", "1000 years"),
        ("image_cache_stall_time = 1979-05-27", "image_cache_stall_time", "a date"),
        ("image_cache_hit_delay = \"2h\"", "image_cache_hit_delay", "found 2h;"),
        ("image_cache_max_images = -1", "image_cache_max_images", "found -1;"),
        ("image_cache_max_images = \"10 GiB\"", "image_cache_max_images", "found \"10 GiB\";"),
        ("image_cache_min_free_inodes = 1.5", "image_cache_min_free_inodes", "found "),
        ("image_cache_min_free = -1", "image_cache_min_free", "found -1;"),
        ("image_cache_min_free = \"10 %\"", "image_cache_min_free", "found \"10 %\";"),
        (
            "image_cache_hard_limit = 1",
            "image_cache_hard_limit",
            "found 1; accepted: true or false",
        ),
        ("image_cache_hard_limit = \"yes\"", "image_cache_hard_limit", "found \"yes\";"),
        ("image_cache_verify_reads = 1", "image_cache_verify_reads", "accepted: true or false"),
        ("image_cache_verify_reads = \"yes\"", "image_cache_verify_reads", "found \"yes\";"),
        ("image_cache_durability = \"none\"", "image_cache_durability", "full or rename-only"),
        ("image_cache_durability = true", "image_cache_durability", "found true;"),
        ("image_cache_other_writer = \"wait\"", "image_cache_other_writer", "found \"wait\";"),
        ("image_cache_other_writer_patience = 0", "image_cache_other_writer_patience", "10 ms"),
        ("image_cache_fetch_to_end = 1", "image_cache_fetch_to_end", "found 1; accepted: true"),
        ("image_cache_policy_min_age = \"25h\"", "image_cache_policy_min_age", "0 s to 24 h"),
        ("image_cache_policy_may_empty = 1", "image_cache_policy_may_empty", "found 1;"),
        ("image_cache_compiled_drivers = \"no\"", "image_cache_compiled_drivers", "found \"no\";"),
        ("image_cache_compiled_drivers = \"\"", "image_cache_compiled_drivers", "absolute path"),
        ("image_cache_signal_handlers = \"no\"", "image_cache_signal_handlers", "true or false"),
        ("image_cache_fetch_to_end = \"yes\"", "image_cache_fetch_to_end", "true or false"),
        ("image_cache_driver = \"\"", "image_cache_driver", "found \"\";"),
        ("image_cache_driver = 5", "image_cache_driver", "found 5;"),
        ("image_cache_sqlite_db = \"/tmp/cache.db\"", "image_cache_sqlite_db", "which is absolute"),
        (
            "image_cache_sqlite_db = \"../cache.db\"",
            "image_cache_sqlite_db",
            "which leaves the directory",
        ),
        (
            "image_cache_sqlite_db = \"a/../../b\"",
            "image_cache_sqlite_db",
            "which leaves the directory",
        ),
        ("image_cache_sqlite_db = \".\"", "image_cache_sqlite_db", "which is the directory itself"),
        ("image_cache_sqlite_db = \"\"", "image_cache_sqlite_db", "which is no file's name"),
        ("image_cache_sqlite_db = \"a/\"", "image_cache_sqlite_db", "which is no file's name"),
        ("image_cache_sqlite_db = \"a\\nb\"", "image_cache_sqlite_db", "which is no file's name"),
    ] {
        let faults = faults(line);
        assert_eq!(faults.len(), 1, "{line}: {faults:?}");
        assert!(
            faults[0].starts_with(&format!("/etc/cache/image-cache.toml:2: {key}: found ")),
            "{}",
            faults[0]
        );
        assert!(faults[0].contains(found), "{line}: {}", faults[0]);
        assert!(faults[0].contains("; accepted: "), "{}", faults[0]);
    }
}

#[test]
fn the_database_takes_no_reserved_name() {
    for name in [
        "incomplete",
        "invalid",
        "queue",
        "queue/records.db",
        ".image-cache",
        ".image-cache/x.db",
        "cache.db-wal",
        "cache.db-shm",
        "cache.db-journal",
        "image_cache_db_init",
        "checkme",
        "./queue",
    ] {
        let faults = faults(&format!("image_cache_sqlite_db = \"{name}\""));
        assert!(
            faults.len() == 1 && faults[0].contains("kept for the cache's own use"),
            "{name}: {faults:?}"
        );
    }
    let long = "x".repeat(248);
    assert!(faults(&format!("image_cache_sqlite_db = \"{long}\""))[0].contains("too long"));
}

#[test]
fn an_empty_or_missing_directory_is_a_fault() {
    let error = read("image_cache_dir = \"\"").unwrap_err();
    assert_eq!(error.faults.len(), 1, "{error}");
    let error = read("").unwrap_err();
    assert_eq!(error.faults.len(), 1, "{error}");
    assert!(
        error.to_string().contains("image_cache_dir: found nothing; accepted: a directory"),
        "{error}"
    );
    assert!(read("image_cache_dir = \"a\\u0000b\"").is_err());
}

#[test]
fn all_faults_are_reported_at_once() {
    let error = read(
        r#"
        image_cache_max_size = "much"
        image_cache_stall_time = -5
        colour = "blue"

        [drivers.xattr]
        component = "x.wasm"
        grants = ["net", "sql", "root"]
        limits = { guest_time = 5, memory = 1 }
        "#,
    )
    .unwrap_err();
    let keys: Vec<_> = error.faults.iter().map(|fault| fault.key.as_str()).collect();
    for key in [
        "image_cache_max_size",
        "image_cache_stall_time",
        "colour",
        "drivers.xattr",
        "drivers.xattr.grants",
        "drivers.xattr.limits.guest_time",
        "drivers.xattr.limits.memory",
        "image_cache_dir",
    ] {
        assert!(keys.contains(&key), "{key} is not in {keys:?}");
    }
    assert_eq!(error.faults.len(), 9, "{error}");
    assert_eq!(error.to_string().lines().count(), 10, "{error}");
}

#[test]
fn every_syntax_error_has_its_line() {
    let error =
        read("image_cache_dir = \"/c\"\nimage_cache_max_size = 10 GiB\n\n[drivers\n").unwrap_err();
    let origins: Vec<_> = error.faults.iter().map(|fault| fault.origin.as_str()).collect();
    assert!(origins.contains(&"/etc/cache/image-cache.toml:2"), "{error}");
    assert!(origins.contains(&"/etc/cache/image-cache.toml:4"), "{error}");
    assert!(error.to_string().contains("text stands in double quotes"), "{error}");
    assert!(read("image_cache_dir = \"a\"\nimage_cache_dir = \"b\"").is_err(), "a repeated key");
    // Faults are reported only before the first syntax error: the parser may misunderstand the rest.
    let text = "colour = 1\n[drivers.lfu]\ngrants = [\"net\"]\ncomponent = lfu.wasm\nsha = 5\n";
    let error = read(text).unwrap_err();
    let keys: Vec<_> = error.faults.iter().map(|fault| fault.key.as_str()).collect();
    assert_eq!(keys, ["colour", "drivers.lfu.grants", ""], "{error}");
}
