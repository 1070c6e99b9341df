//! The manuals in `docs/` are equal to those generated from the table of options and from the commands.
//!
//! `cargo xtask docs` writes them: it runs this test with an environment variable.

#![cfg(feature = "serve")]

use image_cache_cli::manual::{configuration_page, man_page};
use std::path::Path;

/// If this variable is set, the pages are written.
const WRITE: &str = "IMAGE_CACHE_WRITE_DOCS";

#[track_caller]
fn check(name: &str, page: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&file, page).expect("the page can be written");
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    let mut lines = page.lines().zip(written.lines()).enumerate();
    let differing = lines.find(|(_, (generated, written))| generated != written);
    assert!(
        written == page,
        "docs/{name} is not up to date: run `cargo xtask docs`; the first difference: {differing:?}"
    );
}

#[test]
fn the_page_of_options_is_up_to_date() {
    check("configuration.md", &configuration_page());
}

#[test]
fn the_man_page_is_up_to_date() {
    check("image-cache.1", &man_page());
}

#[test]
fn every_option_of_the_cache_and_of_the_service_is_in_both_manuals() {
    let (page, man) = (configuration_page(), man_page());
    for option in image_cache::ConfigOption::ALL {
        let flag = option.definition().flag;
        assert!(page.contains(&format!("- flag: `{flag} ")), "{flag}");
        assert!(page.contains(&format!("`{}`", option.variable())), "{flag}");
        assert!(man.contains(&flag.replace('-', "\\-")), "{flag}");
    }
    for flag in ["--upstream", "--listen", "--tls-cert", "--prune-every", "--max-connections"] {
        assert!(page.contains(&format!("`{flag} ")), "{flag}");
        assert!(man.contains(&flag.replace('-', "\\-")), "{flag}");
    }
}
