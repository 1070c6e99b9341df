//! Converts a core module to a component, and reads its imports.

use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;
use wit_component::{ComponentEncoder, DecodedWasm};

/// The prefix of all interfaces in the project's own WIT package.
const OURS: &str = "image-cache:driver/";

/// A guest that can be loaded.
#[derive(Debug, Clone)]
pub struct Component {
    /// The package of the guest.
    pub package: String,
    /// The bytes of the component.
    pub bytes: Vec<u8>,
    /// The interfaces it imports, with versions, such as `image-cache:driver/sql@1.0.0`.
    pub imports: Vec<String>,
}

impl Component {
    /// Converts a compiled module to a component, and validates it.
    pub fn of_module(package: &str, path: &Path) -> Result<Component> {
        let module = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        let encode = || ComponentEncoder::default().validate(true).module(&module)?.encode();
        let bytes =
            encode().with_context(|| format!("making a component of {}", path.display()))?;
        Component::of_bytes(package, bytes)
    }

    /// Takes bytes that are already a component.
    pub fn of_bytes(package: &str, bytes: Vec<u8>) -> Result<Component> {
        let imports =
            imports(&bytes).with_context(|| format!("reading the imports of {package}"))?;
        Ok(Component { package: package.into(), bytes, imports })
    }

    /// Returns an error if the component imports anything but the project's own interfaces.
    pub fn confined(self) -> Result<Component> {
        let foreign = foreign_imports(&self.imports);
        if foreign.is_empty() {
            return Ok(self);
        }
        bail!(
            "{} imports {}; a driver may import nothing but {OURS}*",
            self.package,
            foreign.join(", ")
        )
    }
}

/// The imports of a component that are not the project's own interfaces.
///
/// ```
/// use image_cache_guest_toolchain::foreign_imports;
/// let imports = ["image-cache:driver/log@1.0.0".to_string(), "wasi:io/streams@0.2.6".to_string()];
/// assert_eq!(foreign_imports(&imports), ["wasi:io/streams@0.2.6"]);
/// ```
pub fn foreign_imports(imports: &[String]) -> Vec<&str> {
    imports.iter().map(String::as_str).filter(|name| !name.starts_with(OURS)).collect()
}

fn imports(component: &[u8]) -> Result<Vec<String>> {
    let DecodedWasm::Component(resolve, world) = wit_component::decode(component)? else {
        bail!("it is a WIT package and no component");
    };
    let imports = resolve.worlds[world].imports.keys();
    Ok(imports.map(|key| resolve.name_world_key(key)).collect())
}
