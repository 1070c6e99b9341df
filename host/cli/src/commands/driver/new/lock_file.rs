//! The lock file of a new crate. Cargo made it, so that `cargo --locked` accepts it; a test holds its versions to those with which
//! this release's own drivers are compiled.

use super::language::PLACEHOLDER;

/// The lock file of a crate with the placeholder's name that depends only on the SDK.
const TEMPLATE: &str = include_str!("../../../../../../drivers/templates/rust/Cargo.lock");

/// What begins each package.
const PACKAGE: &str = "[[package]]\n";

/// The lock file for a crate of this name.
pub fn for_crate(name: &str) -> String {
    let mut parts = TEMPLATE.split(PACKAGE).map(|part| part.trim_end().replace(PLACEHOLDER, name));
    let head = parts.next().unwrap_or_default();
    let mut packages: Vec<String> = parts.collect();
    // Cargo writes packages in this order, and would otherwise rewrite the file. No two have the same name and version.
    packages.sort_by(|a, b| fields(a).cmp(&fields(b)));
    let packages = packages.iter().map(|package| format!("\n\n{PACKAGE}{package}"));
    format!("{head}{}\n", packages.collect::<String>())
}

/// Whether the SDK depends on a crate of this name.
pub fn contains(name: &str) -> bool {
    TEMPLATE.split(PACKAGE).skip(1).any(|package| {
        let (its_name, _) = fields(package);
        its_name != PLACEHOLDER && its_name.eq_ignore_ascii_case(name)
    })
}

/// A package's name and version, its first two lines.
fn fields(package: &str) -> (&str, &str) {
    let mut values = package.lines().map(|line| line.split('"').nth(1).unwrap_or_default());
    (values.next().unwrap_or_default(), values.next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const SDK: &str = "image-cache-driver-sdk";

    /// Of this workspace.
    const OURS: &str = include_str!("../../../../../../Cargo.lock");

    fn packages(lock: &str) -> BTreeSet<(String, String)> {
        let lock: toml::Table = lock.parse().expect("it is a lock file");
        let packages = lock["package"].as_array().expect("packages").iter();
        let text = |package: &toml::Value, key: &str| package[key].as_str().expect(key).to_owned();
        packages.map(|package| (text(package, "name"), text(package, "version"))).collect()
    }

    #[test]
    fn it_has_the_versions_of_the_built_in_drivers() {
        let (mine, ours) = (packages(&for_crate("mine")), packages(OURS));
        let others: Vec<_> = mine.difference(&ours).collect();
        // To mend it: `image-cache driver new my-driver`, `cargo update NAME --precise VERSION` for each of the others, and copy
        // its Cargo.lock into the template.
        assert_eq!(others, [&("mine".to_owned(), "0.1.0".to_owned())]);
        for name in [SDK, "wit-bindgen", "rusqlite"] {
            assert!(mine.iter().any(|(its_name, _)| its_name == name), "{name}: {mine:?}");
        }
    }

    #[test]
    fn packages_are_in_the_order_of_cargo() {
        for name in ["aaa", "mine", "zzz"] {
            let lock = for_crate(name);
            let names: Vec<_> = lock.split(PACKAGE).skip(1).map(fields).collect();
            assert!(names.is_sorted() && names.contains(&(name, "0.1.0")), "{names:?}");
        }
        assert_eq!(for_crate(PLACEHOLDER), TEMPLATE);
        assert!(
            contains("Rusqlite") && contains(SDK) && !contains("mine") && !contains(PLACEHOLDER)
        );
    }
}
