//! `driver list`, `driver inspect`, and how a failover is shown.

use super::{Answering, Scratch, bare};
use image_cache_engine::BuiltIn;
use serde_json::json;

/// The smallest component: it exports nothing.
const EMPTY_COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
/// The names of the built-in drivers.
const BUILT_IN: [&str; 6] = ["sqlite", "xattr", "gdsf", "s3-fifo", "sieve", "two-hit"];
/// The smallest core module.
const CORE_MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// A valid driver: the built-in sqlite driver.
fn sqlite() -> &'static [u8] {
    BuiltIn::Sqlite.bytes()
}

#[test]
fn the_built_in_drivers_would_load() {
    let list = bare().args(["--format", "json", "driver", "list"]).answer().json();
    let list = list.as_array().expect("an array");
    assert_eq!(list.len(), BUILT_IN.len());
    for (entry, name) in list.iter().zip(BUILT_IN) {
        assert_eq!(
            (&entry["name"], &entry["loads"], &entry["faults"]),
            (&json!(name), &json!(true), &json!([]))
        );
        assert_eq!(entry["selected"], json!(name == "sqlite"));
        assert!(entry["version"].is_string());
        let inspected = bare().args(["--format", "json", "driver", "inspect", name]).answer();
        assert_eq!(inspected.code, Some(0), "{}", inspected.err);
        let inspected = inspected.json();
        assert_eq!(inspected["loads"], true);
        assert_eq!(inspected["description"]["version"], entry["version"]);
        assert_eq!(inspected["sha256"].as_str().map(str::len), Some(64));
        assert!(
            inspected["compile_seconds"].as_f64() > Some(0.0),
            "also if it was compiled before"
        );
        let imports = inspected["imports"].as_array().expect("an array");
        assert!(imports.iter().all(|import| {
            import.as_str().is_some_and(|name| name.starts_with("image-cache:driver/"))
        }));
        let exports = inspected["exports"].as_array().expect("an array");
        assert!(exports.contains(&json!("image-cache:driver/driver@1.1.0")), "{exports:?}");
    }
    let table = bare().args(["driver", "inspect", "SQLite"]).answer();
    assert!(table.done().contains("would load  yes"), "{}", table.text());
    assert_eq!(bare().args(["driver", "list"]).answer().done().lines().count(), 7);
}

#[test]
fn the_reason_why_a_driver_would_not_load_is_shown() {
    let scratch = Scratch::new();
    for (name, bytes) in [
        ("empty.wasm", &b""[..]),
        ("text.wasm", b"not a component"),
        ("module.wasm", CORE_MODULE),
        ("world.wasm", EMPTY_COMPONENT),
    ] {
        let path = scratch.write(name, bytes);
        let answer = bare().args(["--format", "json", "driver", "inspect"]).arg(&path).answer();
        answer.failed(1, "would not load");
        assert_eq!(answer.json()["loads"], false);
        assert_ne!(answer.json()["faults"], json!([]));
        let table = bare().args(["driver", "inspect"]).arg(&path).answer();
        assert!(
            table.code == Some(1) && table.text().contains("would load  NO"),
            "{}",
            table.text()
        );
    }
    for name in ["centralized_db", "/nowhere/driver.wasm", "a\u{1b}[2J"] {
        let answer = bare().args(["driver", "inspect", name]).answer();
        answer.failed(1, "would not load");
        assert!(!answer.text().contains('\u{1b}') && !answer.err.contains('\u{1b}'));
    }
}

#[test]
fn configured_drivers_are_listed_with_the_selected_one() {
    let scratch = Scratch::new();
    scratch.write("broken.wasm", CORE_MODULE);
    let file = scratch.write(
        "cache.toml",
        "image_cache_driver = \"nobody\"\n[drivers.broken]\ncomponent = \"broken.wasm\"\ngrants = [\"sql\"]\n",
    );
    let answer =
        bare().arg("--config").arg(&file).args(["--format", "json", "driver", "list"]).answer();
    assert_eq!(answer.code, Some(0), "{}", answer.err);
    let list = answer.json();
    let of = |key: &str| {
        list.as_array()
            .expect("an array")
            .iter()
            .map(|entry| entry[key].clone())
            .collect::<Vec<_>>()
    };
    let names = [&BUILT_IN[..], &["broken", "nobody"]].concat();
    assert_eq!(of("name"), names);
    assert_eq!(of("loads"), names.iter().map(|name| BUILT_IN.contains(name)).collect::<Vec<_>>());
    assert_eq!(of("selected"), names.iter().map(|name| *name == "nobody").collect::<Vec<_>>());
    assert!(answer.err.contains("driver broken would not load"), "{}", answer.err);
}

#[test]
fn a_file_that_cannot_be_read_or_is_no_component_has_no_size_in_the_list() {
    let scratch = Scratch::new();
    scratch.write("empty.wasm", "");
    scratch.write("text.wasm", "not a component");
    let text: String = ["empty", "text", "missing"]
        .map(|name| format!("[drivers.{name}]\ncomponent = \"{name}.wasm\"\n"))
        .concat();
    let file = scratch.write("cache.toml", text);
    let list = bare().arg("--config").arg(&file).args(["driver", "list"]).answer();
    assert_eq!(list.code, Some(0), "{}", list.err);
    for name in ["empty", "text", "missing"] {
        let row = list.text().lines().find(|line| line.starts_with(name)).expect(name);
        let words: Vec<&str> = row.split_whitespace().take(5).collect();
        assert_eq!(words, [name, "-", "-", "-", "NO"], "{row}");
    }
    assert!(!list.text().contains("0 B "), "{}", list.text());
}

#[test]
fn a_driver_that_rejects_its_options_is_listed_as_not_loading() {
    let scratch = Scratch::new();
    scratch.write("mine.wasm", sqlite());
    let text = "[drivers.mine]\ncomponent = \"mine.wasm\"\ngrants = [\"sql\"]\noptions = { colour = \"red\" }\n";
    let file = scratch.write("cache.toml", text);
    let driver = |more: &[&str]| {
        let mut command = bare();
        command.arg("--config").arg(&file).args(["--format", "json", "driver"]).args(more);
        command.answer()
    };
    let list = driver(&["list"]);
    assert_eq!(list.code, Some(0), "{}", list.err);
    assert_eq!(
        (&list.json()[6]["name"], &list.json()[6]["loads"]),
        (&json!("mine"), &json!(false))
    );
    assert!(
        list.err.contains("driver mine would not load")
            && list.err.contains("unknown option colour")
    );
    driver(&["inspect", "mine"]).failed(1, "unknown option colour");
}

#[test]
fn a_bare_name_is_a_file_if_no_driver_has_it() {
    let scratch = Scratch::new();
    scratch.write("lfu", sqlite());
    // The name selects the built-in driver, even if a file has this name.
    scratch.write("xattr", CORE_MODULE);
    let driver = |more: &[&str]| {
        let mut command = bare();
        command.current_dir(scratch.path("")).args(["--format", "json", "driver"]).args(more);
        command.answer()
    };
    let inspected = driver(&["inspect", "lfu"]);
    assert_eq!(inspected.json()["source"], "./lfu");
    assert_eq!((&inspected.json()["loads"], inspected.code), (&json!(true), Some(0)));
    assert_eq!(inspected.json()["granted"], json!(["sql"]));
    let shown = bare().current_dir(scratch.path("")).args(["driver", "inspect", "lfu"]).answer();
    assert!(shown.done().contains("yes, with grants = [\"sql\"]"), "{}", shown.text());
    driver(&["inspect", "lfu", "--grant", "files"])
        .failed(1, "set `grants = [\"sql\", \"files\"]`");
    assert_eq!(driver(&["inspect", "xattr"]).json()["source"], "built in");
    let checked = driver(&["check", "lfu", "--option", "colour=red"]);
    checked.failed(1, "driver lfu does not load");
    checked.failed(1, "unknown option colour");
    driver(&["inspect", "nobody"]).failed(1, "no driver has this name");
}

#[test]
fn a_failover_is_shown() {
    let scratch = Scratch::new();
    let path = scratch.write("module.wasm", CORE_MODULE);
    let driver = path.to_str().expect("a plain path");
    let table = scratch.run(["--driver", driver, "status"]);
    assert_eq!(table.code, Some(0), "{}", table.err);
    assert!(table.text().contains("FALLBACK") && table.text().contains(driver), "{}", table.text());
    assert!(table.err.contains("WARN"), "{}", table.err);
    let json = scratch.json(["--driver", driver, "status"]);
    assert_eq!(json["driver"]["fallback"]["configured"], driver);
    assert!(json["driver"]["fallback"]["reason"].as_str().is_some_and(|reason| !reason.is_empty()));
}

#[test]
fn the_log_follows_verbosity() {
    let scratch = Scratch::new();
    scratch.add_hello("a");
    std::fs::remove_file(scratch.cache_dir().join("a")).expect("the image lies there");
    // Opening repairs the records. This is logged at level info, and the image at level debug.
    let quiet = scratch.run(["list"]);
    quiet.done();
    scratch.add_hello("b");
    std::fs::remove_file(scratch.cache_dir().join("b")).expect("the image lies there");
    let info = scratch.run(["-v", "list"]);
    assert!(info.err.contains("INFO") && !info.err.contains("DEBUG"), "{}", info.err);
    scratch.add_hello("c");
    std::fs::remove_file(scratch.cache_dir().join("c")).expect("the image lies there");
    assert!(scratch.run(["-vv", "list"]).err.contains("DEBUG"));
}

#[test]
fn the_contract_is_printed_as_one_file_and_written_as_its_files() {
    let scratch = Scratch::new();
    let printed = bare().args(["driver", "wit"]).answer();
    let text = printed.done();
    assert_eq!(text.matches("package image-cache:driver@").count(), 1);
    for part in ["interface sql {", "interface driver {", "world image-cache-driver {"] {
        assert!(text.contains(part), "{part}");
    }
    let folder = scratch.path("contract");
    bare().args(["driver", "wit", "--out"]).arg(&folder).answer().done();
    let sources = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
    for file in std::fs::read_dir(sources).expect("it exists") {
        let file = file.expect("it is readable");
        let copy = std::fs::read(folder.join(file.file_name())).expect("it was written");
        assert!(copy == std::fs::read(file.path()).expect("it is readable"));
    }
    // Nothing is overwritten.
    bare().args(["driver", "wit", "--out"]).arg(&folder).answer().failed(1, "cannot write");
}
