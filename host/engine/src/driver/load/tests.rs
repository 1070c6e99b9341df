//! Components that can be loaded, and each kind that cannot.

use super::*;
use crate::driver::compile_cache::digest;
use crate::driver::testing::{Cache, component};
use image_cache_model::{Grant, Limits};

/// Why `bytes` with this configuration is not a driver.
fn refused(cache: &Cache, bytes: &[u8], grants: &[Grant]) -> String {
    let config = cache.config("mine", bytes, grants, Limits::default());
    let error =
        Driver::load("mine", &config, Arc::clone(&cache.directory)).expect_err("it does not load");
    assert_eq!(crate::driver::inspect("mine", &config).faults, error.faults());
    error.to_string()
}

#[test]
fn a_file_that_is_not_a_component_is_identified() {
    let cache = Cache::new();
    let module = wat::parse_str("(module)").expect("valid text");
    let mut cut = component(&[], "");
    cut.truncate(cut.len() / 2);
    for (bytes, words) in [
        (&b""[..], "the file is empty"),
        (b"just some words", "it is text"),
        (b"\x7fELF\0\0", "native program"),
        (b"\x01\x02\x00\xff", "it is no WebAssembly"),
        (&module, "core WebAssembly module"),
        (b"\0asm\x07\0\0\0", "another version"),
        (&cut, "broken component"),
    ] {
        let found = refused(&cache, bytes, &[]);
        assert!(found.contains(words), "{found}");
    }
}

#[test]
fn another_world_or_major_version_is_refused_with_the_supported_version() {
    let cache = Cache::new();
    let exporting = |name: &str| {
        let text = format!("(component (instance $i) (export \"{name}\" (instance $i)))");
        wat::parse_str(text).expect("valid text")
    };
    let found = refused(&cache, &exporting("somebody:else/thing@1.0.0"), &[]);
    assert!(found.contains("another world") && found.contains("somebody:else/thing"), "{found}");
    let found = refused(&cache, &exporting("image-cache:driver/driver@2.0.0"), &[]);
    assert!(found.contains("another major version") && found.contains("1.x"), "{found}");
    let found = refused(&cache, &exporting("image-cache:driver/driver@1.3.0"), &[]);
    assert!(found.contains("cannot be linked"), "{found}");
}

#[test]
fn one_error_lists_all_missing_grants_with_the_line_that_sets_them() {
    let cache = Cache::new();
    let imports = [
        "image-cache:driver/sql@1.1.0",
        "image-cache:driver/files@1.7.0",
        "image-cache:driver/attributes@2.0.0",
        "image-cache:driver/network@1.1.0",
        "wasi:cli/environment@0.2.6",
        "wasi:http/types@0.2.6",
        "some:body/else@0.1.0",
        "image-cache:driver/types@1.1.0",
    ];
    let mut text = String::from("(component ");
    for import in imports {
        text += &format!("(import \"{import}\" (instance))");
    }
    let text = text + r#"(instance $i) (export "image-cache:driver/driver@1.1.0" (instance $i)))"#;
    let found = refused(&cache, &wat::parse_str(text).expect("valid text"), &[Grant::Sql]);
    for words in [
        r#"set `grants = ["sql", "files", "wasi"]` in [drivers.mine]"#,
        "files@1.7.0, wasi:cli/environment@0.2.6;",
        "attributes@2.0.0, a version that the host does not speak",
        "network@1.1.0, which this host does not have",
        "wasi:http/types@0.2.6, which the grant \"wasi\" does not cover",
        "some:body/else@0.1.0, which no grant covers",
    ] {
        assert!(found.contains(words), "{words}: {found}");
    }
}

#[test]
fn imported_names_are_limited_and_escaped() {
    let cache = Cache::new();
    let importing = |names: &[String]| {
        let import = |name: &String| format!("(import \"{name}\" (instance))");
        let imports: String = names.iter().map(import).collect();
        let export = "(instance $i) (export \"image-cache:driver/driver@1.1.0\" (instance $i))";
        wat::parse_str(format!("(component {imports} {export})")).expect("valid text")
    };
    let countless: Vec<String> = (0..2000).map(|n| format!("some:body/n{n}@0.1.0")).collect();
    let found = refused(&cache, &importing(&countless), &[]);
    assert!(found.contains("more than 1000 names") && found.len() < 1000, "{found}");
    let long = format!("some:body/{}\\u{{1b}}[31m", "x".repeat(50_000));
    let found = refused(&cache, &importing(&[long, "a\\u{1b}[31m".into()]), &[]);
    assert!(!found.contains('\u{1b}') && found.len() < 2000, "{found}");
    assert!(found.contains("a\\u{1b}[31m, which no grant covers"), "{found}");
}

#[test]
fn granted_interfaces_are_linked() {
    let cache = Cache::new();
    let import =
        r#"(import "image-cache:driver/sql@1.1.0" "execute" (func (param i32 i32 i32 i32 i32)))"#;
    let bytes = component(&[], import);
    assert!(refused(&cache, &bytes, &[Grant::Files]).contains("sql@1.1.0"));
    let config = cache.config("mine", &bytes, &[Grant::Sql, Grant::Wasi], Limits::default());
    let driver = Driver::load("mine", &config, Arc::clone(&cache.directory)).expect("it loads");
    assert_eq!((driver.name(), driver.own_name(), driver.version()), ("mine", "text", "1.0"));
}

#[test]
fn a_component_that_is_not_the_pinned_one_is_refused() {
    let cache = Cache::new();
    let bytes = component(&[], "");
    let mut config = cache.config("mine", &bytes, &[], Limits::default());
    config.drivers.get_mut("mine").expect("it is defined").sha256 = Some([7; 32]);
    let error =
        Driver::load("mine", &config, Arc::clone(&cache.directory)).expect_err("it is refused");
    assert!(error.to_string().contains(&hex::encode(digest(&bytes))), "{error}");
    config.drivers.get_mut("mine").expect("it is defined").sha256 = Some(digest(&bytes));
    Driver::load("mine", &config, Arc::clone(&cache.directory)).expect("it loads");
}

#[test]
fn an_unknown_name_is_refused_with_the_known_names() {
    let cache = Cache::new();
    let config = cache.config("mine", b"", &[], Limits::default());
    let fault = |name: &str| {
        Driver::load(name, &config, Arc::clone(&cache.directory))
            .expect_err("it is dangling")
            .to_string()
    };
    let found = fault("sqlight");
    assert!(found.contains(r#""sqlite", "xattr", "#) && found.contains(r#", "mine""#), "{found}");
    assert!(fault("centralized_db").contains("Glance's"), "{}", fault("centralized_db"));
    assert!(fault("/nowhere/driver.wasm").contains("/nowhere/driver.wasm cannot be read"));
    assert!(fault("driver-that-is-not-here.wasm").contains("cannot be read"));
    assert!(fault(&format!("{}/", cache.place.path().display())).contains("is no file"));
}

#[test]
fn a_trap_during_loading_is_an_error() {
    let cache = Cache::new();
    for export in ["describe", "configure"] {
        let bytes = component(&[(export, "unreachable")], "");
        let config = cache.config("mine", &bytes, &[], Limits::default());
        let error =
            Driver::load("mine", &config, Arc::clone(&cache.directory)).expect_err("it traps");
        assert!(error.to_string().contains(&format!("{export} failed")), "{error}");
    }
    let unsupported = component(
        &[("configure", "(i32.const 48)")],
        r#"(data (i32.const 48) "\01\00\00\00\00\00\00\00\20\00\00\00\04\00\00\00")"#,
    );
    let found_in = cache.config("mine", &unsupported, &[], Limits::default());
    let error =
        Driver::load("mine", &found_in, Arc::clone(&cache.directory)).expect_err("it refuses");
    assert!(error.to_string().contains("cannot serve it: text"), "{error}");
}

#[test]
fn built_in_drivers_load_whatever_the_letter_case_and_would_load_when_inspected() {
    let cache = Cache::new();
    let config = Config::builder(cache.directory.path()).build().expect("a valid configuration");
    for name in ["SQLite", "XATTR"] {
        let inspection = crate::driver::inspect(name, &config);
        assert_eq!((inspection.faults, inspection.source.as_str()), (Vec::new(), "built in"));
        assert!(inspection.imports.iter().all(|import| import.starts_with("image-cache:driver/")));
        assert_eq!(inspection.description.map(|(own, _)| own), Some(name.to_ascii_lowercase()));
    }
}
