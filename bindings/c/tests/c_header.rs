//! The header is generated from the sources.

#[allow(dead_code, reason = "only the number of the interface is needed")]
#[path = "../install.rs"]
mod install;

use std::path::Path;

/// Set to write the header instead of comparing it.
const SAVE: &str = "IMAGE_CACHE_SAVE_HEADER";

/// The macros with the versions of this header.
fn macros() -> String {
    let version = env!("CARGO_PKG_VERSION");
    let number = |name: &str, value: &str| format!("#define IMGCACHE_VERSION_{name} {value}\n");
    let interface = install::INTERFACE;
    format!(
        "\n#define IMGCACHE_VERSION \"{version}\"\n{}{}{}#define IMGCACHE_INTERFACE {interface}\n",
        number("MAJOR", env!("CARGO_PKG_VERSION_MAJOR")),
        number("MINOR", env!("CARGO_PKG_VERSION_MINOR")),
        number("PATCH", env!("CARGO_PKG_VERSION_PATCH")),
    )
}

#[test]
fn the_header_is_that_of_the_sources() -> Result<(), Box<dyn std::error::Error>> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut config = cbindgen::Config::from_file(package.join("cbindgen.toml"))?;
    config.after_includes = Some(macros());
    let bindings = cbindgen::Builder::new().with_config(config).with_crate(package).generate()?;
    let mut generated = Vec::new();
    bindings.write(&mut generated);
    let path = package.join("include/image_cache.h");
    if std::env::var_os(SAVE).is_some() {
        std::fs::write(&path, &generated)?;
    }
    let kept = std::fs::read(&path)?;
    assert!(
        kept == generated,
        "the header is not current: set {SAVE}=1, run this test again, and commit it"
    );
    Ok(())
}
