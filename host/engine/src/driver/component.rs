//! A driver's component before it is compiled: its bytes, its digest, its imports and exports.

use super::compile_cache::digest;
use super::driver_spec::DriverSpec;
use super::import_check::ComponentNames;
use super::load_error::LoadFault;
use image_cache_model::{DriverConfig, read_file};
use std::borrow::Cow;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// A component's bytes, and the results of the checks.
pub(super) struct ExaminedComponent {
    pub bytes: Cow<'static, [u8]>,
    pub digest: [u8; 32],
    pub names: ComponentNames,
    /// Why it cannot be this driver; if empty, it may be compiled.
    pub faults: Vec<LoadFault>,
}

/// Reads a component and checks its pin, imports and exports; nothing is compiled. The error is a read error, or states what
/// the bytes are instead of a component.
pub(super) fn examine(spec: &DriverSpec) -> Result<ExaminedComponent, LoadFault> {
    let DriverConfig { component: path, sha256, grants, limits, .. } = &spec.config;
    let bytes = match spec.built_in {
        Some(built_in) => Cow::Borrowed(built_in.bytes()),
        None => Cow::Owned(read(path, limits.component)?),
    };
    let digest = digest(&bytes);
    let pin = sha256.filter(|pin| *pin != digest).map(|pinned| LoadFault::WrongDigest {
        driver: spec.name.clone(),
        found: digest,
        pinned,
    });
    let names = ComponentNames::read(&bytes).map_err(|reason| LoadFault::InvalidComponent {
        path: spec.built_in.is_none().then(|| path.clone()),
        reason,
    })?;
    let faults = pin.into_iter().chain(names.faults(&spec.name, grants)).collect();
    Ok(ExaminedComponent { bytes, digest, names, faults })
}

/// The bytes of a component's file, at most `limit`.
fn read(path: &Path, limit: u64) -> Result<Vec<u8>, LoadFault> {
    let path = path.to_owned();
    read_file(&path, limit).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidInput | io::ErrorKind::IsADirectory => LoadFault::NotAFile { path },
        io::ErrorKind::FileTooLarge => LoadFault::TooLarge { path, limit },
        _ => LoadFault::Unreadable { path, source: Arc::new(error) },
    })
}
