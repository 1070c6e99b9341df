//! Keeps the paths of the building machine out of guests: a panic message contains the path of its source, so otherwise the
//! same sources would give different bytes on two machines.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

/// The separator of flags in `CARGO_ENCODED_RUSTFLAGS`.
const SEPARATOR: &str = "\u{1f}";

/// The compiler's flags, as `CARGO_ENCODED_RUSTFLAGS` has them: the sources of dependencies are below `/cargo`, and those from a
/// registry below `/registry`, whatever the registry's address is.
pub(crate) fn encoded_flags() -> OsString {
    cargo_home().map(|home| flags(&home)).unwrap_or_default()
}

fn cargo_home() -> Option<PathBuf> {
    let named = env::var_os("CARGO_HOME").filter(|named| !named.is_empty());
    named.map(PathBuf::from).or_else(|| Some(Path::new(&env::var_os("HOME")?).join(".cargo")))
}

fn flags(cargo_home: &Path) -> OsString {
    // Of several flags that match, the compiler uses the last one.
    let mut all = vec![flag(cargo_home, "/cargo")];
    let registries = fs::read_dir(cargo_home.join("registry/src")).into_iter().flatten().flatten();
    let mut registries: Vec<PathBuf> = registries.map(|entry| entry.path()).collect();
    registries.sort_unstable();
    all.extend(registries.iter().map(|registry| flag(registry, "/registry")));
    all.join(OsStr::new(SEPARATOR))
}

fn flag(from: &Path, to: &str) -> OsString {
    let mut flag = OsString::from("--remap-path-prefix=");
    flag.push(from);
    flag.push("=");
    flag.push(to);
    flag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_mapped_after_the_home_that_contains_it() {
        let home = tempfile::tempdir().expect("a directory");
        let sources = home.path().join("registry/src/mirror-0123");
        fs::create_dir_all(&sources).expect("it can be created");
        let home = home.path().display();
        let expected = format!(
            "--remap-path-prefix={home}=/cargo\u{1f}--remap-path-prefix={home}/registry/src/mirror-0123=/registry"
        );
        assert_eq!(flags(home.to_string().as_ref()), OsString::from(expected));
    }
}
