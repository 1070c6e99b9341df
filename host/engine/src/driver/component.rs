//! A driver's component before it is compiled: its bytes, its digest, its imports and exports.

use super::compile_cache::digest;
use super::driver_spec::DriverSpec;
use super::import_check::ComponentNames;
use image_cache_model::{DriverConfig, read_file};
use std::borrow::Cow;
use std::io;
use std::path::Path;

/// A component's bytes, and the results of the checks.
pub(super) struct ExaminedComponent {
    pub bytes: Cow<'static, [u8]>,
    pub digest: [u8; 32],
    pub names: ComponentNames,
    /// Why it cannot be this driver; if empty, it may be compiled.
    pub faults: Vec<String>,
}

/// Reads a component and checks its pin, imports and exports; nothing is compiled. The error is a read error, or states what
/// the bytes are instead of a component.
pub(super) fn examine(spec: &DriverSpec) -> Result<ExaminedComponent, String> {
    let DriverConfig { component: path, sha256, grants, limits, .. } = &spec.config;
    let bytes = match spec.built_in {
        Some(built_in) => Cow::Borrowed(built_in.bytes()),
        None => Cow::Owned(read(path, limits.component)?),
    };
    let digest = digest(&bytes);
    let pin = sha256.filter(|pin| *pin != digest).map(|pin| {
        format!(
            "its SHA-256 is {}, not {} as pinned; if the change is intended, correct `sha256` in [drivers.{}]",
            hex::encode(digest),
            hex::encode(pin),
            spec.name
        )
    });
    let names = ComponentNames::read(&bytes).map_err(|fault| match spec.built_in {
        None => format!("{}: {fault}", path.display()),
        Some(_) => fault,
    })?;
    let faults = pin.into_iter().chain(names.faults(&spec.name, grants)).collect();
    Ok(ExaminedComponent { bytes, digest, names, faults })
}

/// The bytes of a component's file, at most `most`.
fn read(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    let path_shown = path.display();
    read_file(path, most).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidInput | io::ErrorKind::IsADirectory => {
            format!("{path_shown} is no file; specify the path of a component")
        }
        io::ErrorKind::FileTooLarge => {
            let most = match most % (1 << 20) {
                0 => format!("{} MiB", most >> 20),
                _ => format!("{most} bytes"),
            };
            format!(
                "{path_shown} has more than {most}; if this is intended, raise `limits.component`"
            )
        }
        _ => format!("{path_shown} cannot be read: {error}"),
    })
}
