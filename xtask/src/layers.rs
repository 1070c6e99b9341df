//! The layers: which package of the host may use which, and what the library never brings with it.

use crate::command::{cargo_output, metadata};
use anyhow::{Result, bail};
use serde_json::Value;
use std::collections::BTreeSet;

/// The host's packages: each may use those before it.
pub const LAYERS: [&str; 7] = [
    "image-cache-model",
    "image-cache-store",
    "image-cache-engine",
    "image-cache",
    "image-cache-serve",
    "image-cache-simulate",
    "image-cache-cli",
];

/// The package that services embed.
const LIBRARY: &str = "image-cache";

/// Crates of a command line or of HTTP: whoever embeds the library with its default features compiles none of them.
const NOT_IN_LIBRARY: [&str; 6] = ["axum", "clap", "hyper", "hyper-util", "reqwest", "rustls"];

/// What the library never brings with it if its default features are off: each has a feature of its own.
const NOT_IN_SMALLEST: [&str; 4] = ["rust-ini", "tokio", "toml", "wasmtime-wasi"];

/// The most crates of the library without its default features. wasmtime alone is 90 of them.
const MOST_CRATES: usize = 110;

/// Fails if a package uses a later layer, if the library depends on a command line or on HTTP, or if it has too many crates.
pub fn check() -> Result<()> {
    println!("\n=== Layers of the host");
    let mut faults = upward(&metadata()?);
    let unwanted = dependencies(&[])?.into_iter().filter(|it| NOT_IN_LIBRARY.contains(&name(it)));
    faults.extend(unwanted.map(|it| format!("{LIBRARY} depends on {it}")));
    let smallest = dependencies(&["--no-default-features"])?;
    let unwanted = smallest.iter().filter(|it| NOT_IN_SMALLEST.contains(&name(it)));
    faults.extend(unwanted.map(|it| format!("{LIBRARY} without features depends on {it}")));
    if smallest.len() > MOST_CRATES {
        let crates = smallest.len();
        faults.push(format!(
            "{LIBRARY} without features has {crates} crates, {MOST_CRATES} are allowed"
        ));
    }
    if !faults.is_empty() {
        bail!("{}", faults.join("; "));
    }
    let crates = smallest.len();
    println!("--- Layers: {} packages; the smallest {LIBRARY} has {crates} crates", LAYERS.len());
    Ok(())
}

/// Each dependency that points to the same or to a later layer.
fn upward(metadata: &Value) -> Vec<String> {
    let layer = |name: &Value| LAYERS.iter().position(|it| name == it);
    let mut faults = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let Some(user) = layer(&package["name"]) else { continue };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            // Tests of a lower layer may use a higher one.
            let is_for_tests = dependency["kind"] == "dev";
            if !is_for_tests && layer(&dependency["name"]).is_some_and(|used| used >= user) {
                let used = dependency["name"].as_str().unwrap_or_default();
                faults.push(format!("{} depends on {used}", LAYERS[user]));
            }
        }
    }
    faults
}

/// All that the library is compiled with, itself included: each crate's name and version.
fn dependencies(features: &[&str]) -> Result<BTreeSet<String>> {
    let tree = ["tree", "-p", LIBRARY, "--edges", "normal", "--prefix", "none", "--locked"];
    let text = cargo_output(&[&tree[..], features].concat())?;
    let crates = text.lines().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" "));
    Ok(crates.collect())
}

/// The name in `name version`.
fn name(package: &str) -> &str {
    package.split(' ').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(package: &str, dependency: &str, kind: Option<&str>) -> Vec<String> {
        let dependencies = json!([{"name": dependency, "kind": kind}]);
        upward(&json!({"packages": [{"name": package, "dependencies": dependencies}]}))
    }

    #[test]
    fn a_dependency_on_a_later_layer_is_found_and_one_on_an_earlier_layer_is_none() {
        let upward = found("image-cache-store", "image-cache", None);
        assert_eq!(upward, ["image-cache-store depends on image-cache"]);
        assert_eq!(found("image-cache", "image-cache-serve", Some("build")).len(), 1);
        assert!(found("image-cache", "image-cache-store", None).is_empty());
        assert!(found("image-cache-cli", "anyhow", None).is_empty());
        assert!(found("image-cache", "image-cache-cli", Some("dev")).is_empty());
    }
}
