//! A component's imports and exports, read from its bytes and compared with its grants before anything is compiled.

use image_cache_model::{DriverManifest, Grant, InvalidManifest, printable};
use std::collections::BTreeSet;
use wasmparser::{Parser, Payload};

/// The package of the interface, and the one major version of it that the host supports.
const PACKAGE: &str = "image-cache:driver";
const MAJOR: &str = "1";

/// The interfaces that a driver may import without a grant.
const WITHOUT_GRANT: [&str; 6] = ["types", "requests", "log", "capacity", "pins", "metrics"];

/// The interface that a driver may import with the grant of another one.
const TRANSACTIONS: &str = "transactions";

/// The packages of WASI 0.2 that a grant of `wasi` links, all of them over an empty context.
const WASI_PACKAGES: [&str; 6] =
    ["wasi:cli", "wasi:clocks", "wasi:filesystem", "wasi:io", "wasi:random", "wasi:sockets"];

/// Whether this build has WASI: the feature brings wasmtime-wasi and tokio, which few programs need.
const HAS_WASI: bool = cfg!(feature = "wasi");

/// Maximum number of imported and exported names, and maximum length that is shown in full: typical drivers need a tenth.
const MAX_NAMES: usize = 1000;
const MAX_NAME_BYTES: usize = 200;

/// The imported and exported names of a component, printable and shortened: nothing has checked them yet.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct ComponentNames {
    pub imports: Vec<String>,
    pub exports: Vec<String>,
    /// The driver's manifest, if the component carries one; an error if it is broken.
    pub manifest: Option<Result<DriverManifest, InvalidManifest>>,
}

/// The custom section with a driver's manifest, `driver.toml`.
const MANIFEST_SECTION: &str = "image-cache:driver.toml";

impl ComponentNames {
    /// Reads the names; nested components do not count. The error states what the bytes are instead.
    pub fn read(bytes: &[u8]) -> Result<ComponentNames, String> {
        if let Some(fault) = not_a_component(bytes) {
            return Err(fault.into());
        }
        let mut names = ComponentNames::default();
        let mut depth = 0_u32;
        for payload in Parser::new(0).parse_all(bytes) {
            let broken = |e| format!("it is a broken component: {e}; build it again");
            match payload.map_err(broken)? {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(section) if depth == 0 => {
                    for import in section {
                        add_name(&mut names.imports, import.map_err(broken)?.name.name)?;
                    }
                }
                Payload::ComponentExportSection(section) if depth == 0 => {
                    for export in section {
                        add_name(&mut names.exports, export.map_err(broken)?.name.name)?;
                    }
                }
                Payload::CustomSection(section)
                    if depth == 0 && section.name() == MANIFEST_SECTION =>
                {
                    if names.manifest.is_some() {
                        return Err("it carries two manifests; build it again".into());
                    }
                    let text = String::from_utf8_lossy(section.data());
                    names.manifest = DriverManifest::read(&text);
                }
                _ => {}
            }
        }
        Ok(names)
    }

    /// The grants without which its imports are refused.
    pub fn needed_grants(&self) -> BTreeSet<Grant> {
        self.imports.iter().filter_map(|import| needed_grant(import).ok().flatten()).collect()
    }

    /// Every reason why a component with these names cannot be the driver `driver` under `grants`.
    pub fn faults(&self, driver: &str, grants: &BTreeSet<Grant>) -> Vec<String> {
        self.faults_in_build(HAS_WASI, driver, grants)
    }

    fn faults_in_build(
        &self,
        has_wasi: bool,
        driver: &str,
        grants: &BTreeSet<Grant>,
    ) -> Vec<String> {
        let (mut faults, mut wanted, mut refused) = (Vec::new(), BTreeSet::new(), Vec::new());
        for import in &self.imports {
            match needed_grant(import) {
                Ok(None) => {}
                // Reported once, below; to grant it would not help.
                Ok(Some(Grant::Wasi)) if !has_wasi => {}
                Ok(Some(grant)) if grants.contains(&grant) => {}
                Ok(Some(grant)) => {
                    wanted.insert(grant);
                    refused.push(import.as_str());
                }
                Err(fault) => faults.push(fault),
            }
        }
        if !wanted.is_empty() {
            faults.insert(0, ungranted(driver, &refused, grants, &wanted));
        }
        faults.extend(self.missing_wasi().filter(|_| !has_wasi));
        faults.extend(self.export_fault());
        faults.extend(self.manifest_fault());
        faults
    }

    /// Why a build without WASI cannot load it, if it imports WASI.
    fn missing_wasi(&self) -> Option<String> {
        let needs_wasi = |import: &&String| needed_grant(import) == Ok(Some(Grant::Wasi));
        let import = self.imports.iter().find(needs_wasi)?;
        Some(format!(
            "it imports {import}, which needs the grant \"wasi\", and this program was built without it: \
             build the program with the feature `wasi` of the package image-cache, or the driver without WASI"
        ))
    }

    /// A manifest that is broken, or that does not name what the component imports.
    fn manifest_fault(&self) -> Option<String> {
        let manifest = match self.manifest.as_ref()? {
            Ok(manifest) => manifest,
            Err(error) => return Some(format!("its manifest (driver.toml) is broken: {error}")),
        };
        let needed = self.needed_grants();
        let hidden = needed.iter().find(|grant| !manifest.grants.contains(grant))?;
        Some(format!(
            "its manifest (driver.toml) does not name the grant {hidden}, which it imports"
        ))
    }

    fn export_fault(&self) -> Option<String> {
        let own = self.exports.iter().map(|export| split_version(export));
        let mut versions = own.filter(|(name, _)| *name == "image-cache:driver/driver");
        match versions.next() {
            Some((_, version)) if is_supported_version(version) => None,
            Some((_, version)) => Some(format!(
                "it exports {PACKAGE}/driver@{version}, another major version: the host speaks {MAJOR}.x; \
                 build it against the interface of this release"
            )),
            None => Some(format!(
                "it is a component of another world: it does not export {PACKAGE}/driver@{MAJOR}.x{}",
                listed(" but ", &self.exports)
            )),
        }
    }
}

fn add_name(names: &mut Vec<String>, name: &str) -> Result<(), String> {
    if names.len() == MAX_NAMES {
        return Err(format!(
            "it imports or exports more than {MAX_NAMES} names, which no driver needs; build it again"
        ));
    }
    names.push(printable(name, MAX_NAME_BYTES));
    Ok(())
}

/// What the bytes are, if they are not a component.
fn not_a_component(bytes: &[u8]) -> Option<&'static str> {
    let fault = if bytes.is_empty() {
        "the file is empty"
    } else if Parser::is_component(bytes) {
        return None;
    } else if Parser::is_core_wasm(bytes) {
        "it is a core WebAssembly module, not a component: turn it into one with `wasm-tools component new`"
    } else if bytes.starts_with(b"\0asm") {
        "it is WebAssembly of another version, or truncated; build it again"
    } else if bytes.starts_with(b"\x7fELF") {
        "it is a native program or compiled code, not a WebAssembly component"
    } else if std::str::from_utf8(&bytes[..bytes.len().min(512)]).is_ok_and(|t| !t.contains('\0')) {
        "it is text, not a WebAssembly component"
    } else {
        "it is no WebAssembly"
    };
    Some(fault)
}

/// The grants that each stand for one interface of our package, which has the grant's name.
fn own_grants() -> impl Iterator<Item = Grant> {
    Grant::ALL.into_iter().filter(|grant| *grant != Grant::Wasi)
}

/// The interfaces of our package that a driver may import, as a list in words.
fn own_interfaces() -> String {
    let mut names: Vec<&str> =
        WITHOUT_GRANT.into_iter().chain(own_grants().map(Grant::name)).collect();
    names.push(TRANSACTIONS);
    let last = names.pop().unwrap_or_default();
    format!("{} and {last}", names.join(", "))
}

/// Which grant an import needs; an error if no grant covers it.
fn needed_grant(import: &str) -> Result<Option<Grant>, String> {
    if let Some((name, version)) = import.strip_prefix("image-cache:driver/").map(split_version) {
        let grant = match name {
            TRANSACTIONS => Some(Grant::Sql),
            _ => own_grants().find(|grant| grant.name() == name),
        };
        if grant.is_none() && !WITHOUT_GRANT.contains(&name) {
            return Err(format!(
                "it imports {import}, which this host does not have: of {PACKAGE}@{MAJOR}.x it has {}; \
                 update the host, or build the driver for it",
                own_interfaces()
            ));
        }
        if !is_supported_version(version) {
            return Err(format!(
                "it imports {import}, a version that the host does not speak ({PACKAGE}@{MAJOR}.x); \
                 build it against the interface of this release"
            ));
        }
        return Ok(grant);
    }
    let package = import.split('/').next().unwrap_or_default();
    if !import.starts_with("wasi:") {
        return Err(format!(
            "it imports {import}, which no grant covers; a driver may import {} of {PACKAGE}@{MAJOR}.x",
            own_interfaces()
        ));
    }
    if WASI_PACKAGES.contains(&package) && split_version(import).1.starts_with("0.2.") {
        return Ok(Some(Grant::Wasi));
    }
    Err(format!(
        "it imports {import}, which the grant \"wasi\" does not cover: that is {} at 0.2; build it without",
        WASI_PACKAGES.join(", ")
    ))
}

fn ungranted(
    driver: &str,
    imports: &[&str],
    granted: &BTreeSet<Grant>,
    wanted: &BTreeSet<Grant>,
) -> String {
    let all: Vec<String> = granted.union(wanted).map(|grant| format!("\"{grant}\"")).collect();
    let place = if driver.contains('/') || driver.ends_with(".wasm") { "NAME" } else { driver };
    format!(
        "it imports what it was not granted: {}; if you trust it with that, set `grants = [{}]` in [drivers.{place}]",
        imports.join(", "),
        all.join(", ")
    )
}

fn split_version(name: &str) -> (&str, &str) {
    name.split_once('@').unwrap_or((name, ""))
}

/// Whether the host supports a version: semantic versions with this major number, no pre-releases.
fn is_supported_version(version: &str) -> bool {
    let mut parts = version.split('.');
    let number = |part: Option<&str>| {
        part.is_some_and(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()))
    };
    parts.next() == Some(MAJOR)
        && number(parts.next())
        && number(parts.next())
        && parts.next().is_none()
}

fn listed(before: &str, names: &[String]) -> String {
    if names.is_empty() {
        return " nor anything else".into();
    }
    let shown: Vec<&str> = names.iter().take(5).map(String::as_str).collect();
    format!("{before}{}{}", shown.join(", "), if names.len() > 5 { ", …" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_interface_that_a_driver_may_import_has_a_grant_or_needs_none() {
        let world = include_str!("../../wit/world.wit");
        let imported = world.lines().filter_map(|line| line.trim().strip_prefix("import "));
        let imported: BTreeSet<&str> = imported.map(|name| name.trim_end_matches(';')).collect();
        // The types of requests are imported by what a driver may export.
        let without = WITHOUT_GRANT.into_iter().filter(|name| *name != "requests");
        let known: BTreeSet<&str> =
            without.chain(own_grants().map(Grant::name)).chain([TRANSACTIONS]).collect();
        assert_eq!(imported, known);
    }

    #[test]
    fn a_build_without_wasi_names_the_feature_and_not_the_grant() {
        let names = ComponentNames {
            imports: vec!["wasi:cli/environment@0.2.6".into(), "wasi:io/streams@0.2.6".into()],
            exports: vec!["image-cache:driver/driver@1.0.0".into()],
            manifest: None,
        };
        for grants in [BTreeSet::new(), BTreeSet::from([Grant::Wasi])] {
            let faults = names.faults_in_build(false, "mine", &grants);
            let [fault] = faults.as_slice() else { panic!("{faults:?}") };
            assert!(
                fault.contains("wasi:cli/environment@0.2.6") && fault.contains("feature `wasi`")
            );
            assert!(!fault.contains("set `grants"), "{fault}");
        }
        let faults = names.faults_in_build(true, "mine", &BTreeSet::new());
        assert!(faults.len() == 1 && faults[0].contains("set `grants = [\"wasi\"]`"), "{faults:?}");
        assert!(names.faults_in_build(true, "mine", &BTreeSet::from([Grant::Wasi])).is_empty());
    }
}
