//! Converts a core module to a component, and reads its imports.

use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;
use wasm_encoder::{RawSection, Section};
use wasmparser::{Parser, Payload};
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

/// A module without its debug information. The names of its functions stay, for the backtrace of a trap.
///
/// # Errors
/// It is no WebAssembly module.
pub fn without_debug_info(module: &[u8]) -> Result<Vec<u8>> {
    let mut kept = wasm_encoder::Module::HEADER.to_vec();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload?;
        let is_debug = matches!(&payload, Payload::CustomSection(section) if section.name().starts_with(".debug_"));
        if let Some((id, range)) = payload.as_section()
            && !is_debug
        {
            RawSection { id, data: &module[range] }.append_to(&mut kept);
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;
    use wasm_encoder::{
        CodeSection, CustomSection, Function, FunctionSection, Instruction, TypeSection,
    };

    #[test]
    fn only_debug_information_is_removed() {
        let custom =
            |name: &'static str| CustomSection { name: name.into(), data: Cow::Borrowed(b"x") };
        let module = |names: &[&'static str]| {
            let mut module = wasm_encoder::Module::new();
            let (mut types, mut functions, mut code) =
                (TypeSection::new(), FunctionSection::new(), CodeSection::new());
            types.ty().function([], []);
            functions.function(0);
            let mut function = Function::new([]);
            function.instruction(&Instruction::End);
            code.function(&function);
            module.section(&types).section(&functions).section(&code);
            for name in names {
                module.section(&custom(name));
            }
            module.finish()
        };
        let kept = without_debug_info(&module(&[".debug_info", "name", ".debug_line"]));
        assert_eq!(kept.expect("a module"), module(&["name"]));
        assert!(without_debug_info(b"no module").is_err());
    }
}
