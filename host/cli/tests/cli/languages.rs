//! `driver new --language`: each folder is complete, has the driver's name, and contains the contract of this host.

use super::{Answering, bare};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

fn new(folder: &TempDir, name: &str, language: &str) {
    let mut command = bare();
    command.current_dir(folder.path()).args(["driver", "new", name, "--language", language]);
    let answer = command.answer();
    assert!(answer.done().contains("sh build.sh"), "{}", answer.text());
}

fn text(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn a_driver_in_each_language_has_its_name_and_the_contract() {
    let folder = TempDir::new().expect("a temporary directory");
    for (language, name, main, contract) in [
        ("c", "mine-c", "ttl.c", "wit"),
        ("python", "mine-py", "lru2.py", "wit/deps/image-cache-driver"),
        ("js", "mine-js", "driver.js", "wit/deps/image-cache-driver"),
    ] {
        new(&folder, name, language);
        let driver = folder.path().join(name);
        assert!(text(&driver, main).contains(&format!("\"{name}\"")), "{language}");
        for file in ["build.sh", "README.md", "image-cache.toml"] {
            let text = text(&driver, file);
            assert!(
                text.contains(&format!("{name}.wasm")) || file == "README.md",
                "{file}: {text}"
            );
            assert!(text.contains(name) && !text.contains("my-driver"), "{file}: {text}");
        }
        let interface = text(&driver, &format!("{contract}/driver.wit"));
        assert_eq!(interface, include_str!("../../../../wit/driver.wit"));
        assert!(text(&driver, "build.sh").starts_with("#!/bin/sh"), "{language}");
    }
}

#[test]
fn an_unknown_language_is_named_with_the_known_ones() {
    let answer = bare().args(["driver", "new", "mine", "--language", "cobol"]).answer();
    answer.failed(2, "rust, c, python, js");
}
