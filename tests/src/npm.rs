//! Packages from npm, which are installed below `target/` at their first use, or skipped with a message if this is impossible.

use crate::glance::run;
use crate::{skip, target};
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

/// The public tests for HTTP caches (<https://cache-tests.fyi/>).
const HTTP_CACHE_TESTS: (&str, &str) = ("http-cache-tests", "0.4.5");

/// The directory of the public tests for HTTP caches, which are installed if they are missing; none, with a message, if this is
/// impossible.
pub fn http_cache_tests() -> Option<PathBuf> {
    let (name, version) = HTTP_CACHE_TESTS;
    let installed = installed(name, version);
    installed.inspect_err(|error| skip(&format!("{name} {version} is not run: {error}"))).ok()
}

/// The folder of a package.
fn installed(name: &str, version: &str) -> Result<PathBuf, Box<dyn std::error::Error>> {
    for program in ["node", "npm"] {
        run(Command::new(program).arg("--version"))
            .map_err(|error| format!("there is no {program}: {error}"))?;
    }
    let home = target()?.join(name);
    // One process installs, the others wait.
    let lock = File::create(home.with_extension("lock"))?;
    lock.lock()?;
    let (package, ready) = (home.join("node_modules").join(name), home.join("ready"));
    if !fs::read_to_string(&ready).is_ok_and(|installed| installed == version) {
        let _ = writeln!(std::io::stderr(), "Installing {name} {version} from npm into {home:?}");
        let _ = fs::remove_dir_all(&home);
        fs::create_dir_all(&home)?;
        let mut npm = Command::new("npm");
        npm.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"]);
        run(npm.arg("--prefix").arg(&home).arg(format!("{name}@{version}")))?;
        fs::write(&ready, version)?;
    }
    Ok(package)
}
