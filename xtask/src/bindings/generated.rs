//! Generated code, and the worlds from which it is generated.

use anyhow::Result;
use wit_bindgen_core::wit_parser::{Resolve, WorldId};

/// A file of generated code.
pub struct Generated {
    /// Relative to the workspace.
    pub path: String,
    pub code: String,
}

/// Finds a world of the WIT package by its name.
pub type FindWorld<'a> = &'a dyn Fn(&str) -> Result<(Resolve, WorldId)>;
