//! Loading the driver: if the configured driver cannot be used, sqlite replaces it and the status shows the reason.

use image_cache::{Config, DriverConfig, Grant};
use image_cache_tests::components::{
    FAULTY, TRIED, Trial, assert_fell_back, assert_no_fallback, assert_works, faulty, open,
};
use image_cache_tests::{Mount, Tested};
use sha2::{Digest, Sha256};
use std::fs::{self, File};

/// Asserts that a component with these bytes is refused for a reason that contains these words, and that the cache works.
fn refused(bytes: impl AsRef<[u8]>, words: &[&str]) {
    let trial = Trial::new();
    fell_back(&trial, trial.component(bytes), words);
}

/// A component in WebAssembly text.
fn refused_wat(text: &str, words: &[&str]) -> Tested {
    refused(wat::parse_str(text)?, words);
    Ok(())
}

fn fell_back(trial: &Trial, driver: DriverConfig, words: &[&str]) {
    let cache = trial.open(driver);
    assert_fell_back(&cache, TRIED, words);
    assert_works(&cache);
}

fn pin_of(path: &str) -> Result<[u8; 32], std::io::Error> {
    Ok(Sha256::digest(fs::read(path)?).into())
}

#[test]
fn an_empty_file_is_no_driver() {
    refused("", &["the file is empty"]);
}

#[test]
fn a_text_is_no_driver() {
    refused("[drivers.tried]\ncomponent = \"tried.wasm\"\n", &["it is text"]);
}

#[test]
fn random_bytes_are_no_driver() {
    refused(image_cache_tests::bytes(1, 4096), &["no WebAssembly"]);
}

#[test]
fn a_native_program_is_no_driver() -> Tested {
    refused(fs::read("/proc/self/exe")?.get(..4096).ok_or("a short program")?, &["native program"]);
    Ok(())
}

#[test]
fn a_core_module_is_no_driver() -> Tested {
    refused_wat("(module)", &["core WebAssembly module", "wasm-tools component new"])
}

#[test]
fn half_a_component_is_no_driver() -> Tested {
    let whole = fs::read(FAULTY)?;
    refused(&whole[..whole.len() / 2], &["broken component"]);
    Ok(())
}

#[test]
fn a_component_of_another_world_is_no_driver() -> Tested {
    refused_wat("(component)", &["another world", "image-cache:driver/driver@1.x"])?;
    let command = r#"(component (instance $i) (export "wasi:cli/run@0.2.0" (instance $i)))"#;
    refused_wat(command, &["another world", "wasi:cli/run@0.2.0"])
}

#[test]
fn a_driver_of_another_major_version_is_refused() -> Tested {
    let second =
        r#"(component (instance $i) (export "image-cache:driver/driver@2.0.0" (instance $i)))"#;
    refused_wat(second, &["driver@2.0.0", "another major version", "1.x"])?;
    let import = r#"(component (import "image-cache:driver/log@2.0.0" (instance)) (instance $i)
        (export "image-cache:driver/driver@1.0.0" (instance $i)))"#;
    refused_wat(import, &["log@2.0.0", "1.x"])
}

#[test]
fn a_driver_without_the_functions_of_one_is_refused() -> Tested {
    let hollow =
        r#"(component (instance $i) (export "image-cache:driver/driver@1.0.0" (instance $i)))"#;
    refused_wat(hollow, &["cannot be linked"])
}

#[test]
fn imports_that_were_not_granted_are_refused_all_at_once() -> Tested {
    let greedy = r#"(component
        (import "image-cache:driver/sql@1.0.0" (instance))
        (import "image-cache:driver/files@1.0.0" (instance))
        (import "wasi:cli/environment@0.2.0" (instance))
        (instance $i) (export "image-cache:driver/driver@1.0.0" (instance $i)))"#;
    let asked = ["driver/sql@1.0.0", "driver/files@1.0.0", "wasi:cli/environment@0.2.0"];
    let remedy = ["grants = [", "\"sql\"", "\"files\"", "\"wasi\"", "[drivers.tried]"];
    refused_wat(greedy, &[&asked[..], &remedy].concat())?;
    // Granted imports are not reported.
    let trial = Trial::new();
    let mut driver = trial.component(wat::parse_str(greedy)?);
    driver.grants.extend([Grant::Sql, Grant::Wasi]);
    let cache = trial.open(driver);
    let fallback = cache.driver().fallback.ok_or("no fallback")?;
    let reason = fallback.reason.to_string();
    assert!(reason.contains("driver/files"), "{reason}");
    assert!(!reason.contains("driver/sql@"), "{reason}");
    Ok(())
}

#[test]
fn imports_that_no_grant_permits_are_always_refused() -> Tested {
    for import in
        ["acme:network/sockets@1.0.0", "image-cache:driver/network@1.0.0", "wasi:http/types@0.2.0"]
    {
        let text = format!(
            r#"(component (import "{import}" (instance)) (instance $i)
            (export "image-cache:driver/driver@1.0.0" (instance $i)))"#
        );
        let trial = Trial::new();
        let mut driver = trial.component(wat::parse_str(text)?);
        driver.grants.extend(Grant::ALL);
        fell_back(&trial, driver, &[import]);
    }
    Ok(())
}

#[test]
fn a_missing_file_is_no_driver() {
    let trial = Trial::new();
    fell_back(
        &trial,
        DriverConfig::new(trial.beside("not-there.wasm")),
        &["not-there.wasm", "cannot be read"],
    );
}

#[test]
fn a_directory_or_a_pipe_is_no_driver() -> Tested {
    let trial = Trial::new();
    fell_back(&trial, DriverConfig::new("/"), &["is no file"]);
    let pipe = trial.beside("pipe");
    let (kind, mode) =
        (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR);
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, kind, mode, 0)?;
    fell_back(&trial, DriverConfig::new(pipe), &["is no file"]);
    Ok(())
}

#[test]
fn a_file_that_is_too_large_is_not_read() -> Tested {
    let trial = Trial::new();
    let driver = trial.component("");
    File::options().write(true).open(&driver.component)?.set_len((32 << 20) + 1)?;
    fell_back(&trial, driver, &["32 MiB"]);
    Ok(())
}

#[test]
fn an_unknown_name_falls_back_and_the_known_ones_are_named() -> Tested {
    let trial = Trial::new();
    let cache =
        open(Config::builder(trial.dir()).define_driver("lfu", faulty(&[])).driver("sqllite"));
    assert_fell_back(&cache, "sqllite", &["\"sqlite\"", "\"xattr\"", "\"lfu\""]);
    assert_works(&cache);
    Ok(())
}

#[test]
fn glances_centralized_db_falls_back() {
    let trial = Trial::new();
    let cache = open(Config::builder(trial.dir()).driver("centralized_db"));
    assert_fell_back(&cache, "centralized_db", &["centralized_db", "sqlite or xattr"]);
    assert_works(&cache);
}

#[test]
fn a_component_with_another_digest_than_pinned_is_refused() -> Tested {
    let trial = Trial::new();
    let found = hex::encode(pin_of(FAULTY)?);
    let mut driver = faulty(&[]);
    driver.sha256 = Some([0xab; 32]);
    fell_back(&trial, driver, &[&found, &"ab".repeat(32), "sha256"]);
    Ok(())
}

#[test]
fn a_component_with_the_digest_that_was_pinned_is_used() -> Tested {
    let trial = Trial::new();
    let mut driver = faulty(&[]);
    driver.sha256 = Some(pin_of(FAULTY)?);
    let cache = trial.open(driver);
    assert_no_fallback(&cache);
    assert_eq!(cache.driver().name, TRIED);
    assert_works(&cache);
    Ok(())
}

#[test]
fn a_driver_may_be_named_by_its_path() {
    let trial = Trial::new();
    let cache = open(Config::builder(trial.dir()).driver(FAULTY));
    assert_no_fallback(&cache);
    assert_works(&cache);
}

#[test]
fn letter_case_in_the_names_of_built_in_drivers_is_ignored() {
    for (given, name) in
        [("SQLite", "sqlite"), ("XATTR", "xattr"), ("sqlite", "sqlite"), ("xAttr", "xattr")]
    {
        let trial = Trial::new();
        let cache = open(Config::builder(trial.dir()).driver(given));
        assert_no_fallback(&cache);
        assert_eq!(cache.driver().name, name);
        assert_works(&cache);
    }
}

#[test]
fn a_driver_that_fails_to_be_configured_is_refused() {
    let faults = [
        ("trap", "configure"),
        ("panic", "told to panic in configure"),
        ("loop", "configure"),
        ("recurse", "configure"),
        ("memory", "configure"),
        ("refuse", "refused, as configured"),
        ("error-unsupported", "unsupported, as configured"),
        ("error-invalid-argument", "invalid, as configured"),
        ("error-other", "told to fail"),
    ];
    for (fault, word) in faults {
        let trial = Trial::new();
        fell_back(&trial, faulty(&[("fault", fault), ("in", "configure")]), &[word]);
    }
}

#[test]
fn an_option_that_the_driver_does_not_know_is_refused_by_name() {
    let trial = Trial::new();
    fell_back(&trial, faulty(&[("colour", "blue")]), &["colour"]);
}

#[test]
fn xattr_where_there_are_no_user_attributes_falls_back() {
    let Some(mount) = Mount::ramfs() else { return };
    let cache = open(Config::builder(mount.path().join("cache")).driver("xattr"));
    assert_fell_back(&cache, "xattr", &["user attributes"]);
    assert_works(&cache);
    assert!(
        cache.status().is_ok_and(|status| !status.warnings.is_empty()),
        "a ramfs was not warned of"
    );
}

#[test]
fn a_fallback_keeps_its_records_for_the_next_start() {
    let trial = Trial::new();
    let cache = trial.open(trial.component(""));
    image_cache_tests::fill(&cache, "kept", b"some bytes");
    assert!(image_cache_tests::serve(&cache, "kept").is_ok());
    drop(cache);
    let cache = open(Config::builder(trial.dir()));
    assert_no_fallback(&cache);
    assert_eq!(cache.hit_count("kept").ok(), Some(1));
}
