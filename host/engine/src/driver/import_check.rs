//! A component's imports and exports, read from its bytes and compared with its grants before anything is compiled.

use super::component_fault::{ComponentFault, not_a_component};
use super::interfaces::{MAJOR, MAX_NAMES, TRANSACTIONS, WASI_PACKAGES, WITHOUT_GRANT, own_grants};
use super::load_error::LoadFault;
use image_cache_model::{DriverManifest, Grant, InvalidManifest, printable};
use std::collections::BTreeSet;
use wasmparser::{Parser, Payload};

/// Whether this build has WASI: the feature brings wasmtime-wasi and tokio, which few programs need.
const HAS_WASI: bool = cfg!(feature = "wasi");

/// Maximum length of a name that is shown in full.
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
    pub fn read(bytes: &[u8]) -> Result<ComponentNames, ComponentFault> {
        if let Some(fault) = not_a_component(bytes) {
            return Err(fault);
        }
        let mut names = ComponentNames::default();
        let mut depth = 0_u32;
        for payload in Parser::new(0).parse_all(bytes) {
            let broken = |e: wasmparser::BinaryReaderError| ComponentFault::Broken(e.to_string());
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
                        return Err(ComponentFault::TwoManifests);
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
    pub fn faults(&self, driver: &str, grants: &BTreeSet<Grant>) -> Vec<LoadFault> {
        self.faults_in_build(HAS_WASI, driver, grants)
    }

    fn faults_in_build(
        &self,
        has_wasi: bool,
        driver: &str,
        grants: &BTreeSet<Grant>,
    ) -> Vec<LoadFault> {
        let (mut faults, mut missing, mut imports) = (Vec::new(), BTreeSet::new(), Vec::new());
        for import in &self.imports {
            match needed_grant(import) {
                Ok(None) => {}
                // Reported once, below; to grant it would not help.
                Ok(Some(Grant::Wasi)) if !has_wasi => {}
                Ok(Some(grant)) if grants.contains(&grant) => {}
                Ok(Some(grant)) => {
                    missing.insert(grant);
                    imports.push(import.clone());
                }
                Err(fault) => faults.push(fault),
            }
        }
        if !missing.is_empty() {
            let (driver, granted) = (driver.to_owned(), grants.clone());
            faults.insert(0, LoadFault::NotGranted { driver, imports, granted, missing });
        }
        faults.extend(self.missing_wasi().filter(|_| !has_wasi));
        faults.extend(self.export_fault());
        faults.extend(self.manifest_fault());
        faults
    }

    /// Why a build without WASI cannot load it, if it imports WASI.
    fn missing_wasi(&self) -> Option<LoadFault> {
        let needs_wasi = |import: &&String| matches!(needed_grant(import), Ok(Some(Grant::Wasi)));
        let import = self.imports.iter().find(needs_wasi)?.clone();
        Some(LoadFault::WasiNotBuiltIn { import })
    }

    /// A manifest that is broken, or that does not name what the component imports.
    fn manifest_fault(&self) -> Option<LoadFault> {
        let manifest = match self.manifest.as_ref()? {
            Ok(manifest) => manifest,
            Err(error) => return Some(LoadFault::InvalidManifest(error.clone())),
        };
        let needed = self.needed_grants();
        let grant = *needed.iter().find(|grant| !manifest.grants.contains(grant))?;
        Some(LoadFault::GrantNotInManifest { grant })
    }

    fn export_fault(&self) -> Option<LoadFault> {
        let own = self.exports.iter().map(|export| split_version(export));
        let mut versions = own.filter(|(name, _)| *name == "image-cache:driver/driver");
        match versions.next() {
            Some((_, version)) if is_supported_version(version) => None,
            Some((_, version)) => Some(LoadFault::ContractVersion { found: version.to_owned() }),
            None => Some(LoadFault::NotADriver { exports: self.exports.clone() }),
        }
    }
}

fn add_name(names: &mut Vec<String>, name: &str) -> Result<(), ComponentFault> {
    if names.len() == MAX_NAMES {
        return Err(ComponentFault::TooManyNames);
    }
    names.push(printable(name, MAX_NAME_BYTES));
    Ok(())
}

/// Which grant an import needs; an error if no grant covers it.
fn needed_grant(import: &str) -> Result<Option<Grant>, LoadFault> {
    let named = || import.to_owned();
    if let Some((name, version)) = import.strip_prefix("image-cache:driver/").map(split_version) {
        let grant = match name {
            TRANSACTIONS => Some(Grant::Sql),
            _ => own_grants().find(|grant| grant.name() == name),
        };
        if grant.is_none() && !WITHOUT_GRANT.contains(&name) {
            return Err(LoadFault::UnknownInterface { import: named() });
        }
        if !is_supported_version(version) {
            return Err(LoadFault::UnsupportedInterface { import: named() });
        }
        return Ok(grant);
    }
    let package = import.split('/').next().unwrap_or_default();
    if !import.starts_with("wasi:") {
        return Err(LoadFault::ForeignImport { import: named() });
    }
    if WASI_PACKAGES.contains(&package) && split_version(import).1.starts_with("0.2.") {
        return Ok(Some(Grant::Wasi));
    }
    Err(LoadFault::UncoveredWasi { import: named() })
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
            assert_eq!(fault.missing_feature(), Some("wasi"));
            let text = fault.to_string();
            assert!(text.contains("wasi:cli/environment@0.2.6") && text.contains("feature `wasi`"));
            assert!(!text.contains("set `grants"), "{text}");
        }
        let faults = names.faults_in_build(true, "mine", &BTreeSet::new());
        let [fault] = faults.as_slice() else { panic!("{faults:?}") };
        assert!(fault.to_string().contains("set `grants = [\"wasi\"]`"), "{fault}");
        assert_eq!(fault.missing_feature(), None);
        assert!(names.faults_in_build(true, "mine", &BTreeSet::from([Grant::Wasi])).is_empty());
    }
}
