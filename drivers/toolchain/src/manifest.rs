//! Adds a driver's manifest to its component, as a custom section.

use crate::Component;
use anyhow::{Result, bail};
use std::borrow::Cow;
use wasm_encoder::{CustomSection, Section};
use wasmparser::{Parser, Payload};

/// The name of the section.
const SECTION: &str = "image-cache:driver.toml";

impl Component {
    /// The component with this manifest, the text of `driver.toml`; an error if it carries one already.
    pub fn with_manifest(mut self, text: &str) -> Result<Component> {
        let mut depth = 0_u32;
        for payload in Parser::new(0).parse_all(&self.bytes) {
            match payload? {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::CustomSection(section) if depth == 0 && section.name() == SECTION => {
                    bail!("{} carries a manifest already: build it again without one", self.package)
                }
                _ => {}
            }
        }
        let data = Cow::Borrowed(text.as_bytes());
        CustomSection { name: SECTION.into(), data }.append_to(&mut self.bytes);
        Ok(self)
    }
}
