//! The targets whose input is about a component. A target panics if the code under test violates its contract.
//!
//! This module is included in the fuzz crate and in the engine's own tests, which run all inputs of the
//! corpora.

pub mod component_imports;
pub mod debug_info;
pub mod guest_returns;

#[cfg(test)]
#[path = "../corpus.rs"]
mod corpus;

#[cfg(test)]
mod tests {
    use super::*;

    const TARGETS: [corpus::Target; 3] = [
        ("component_imports", component_imports::check),
        ("debug_info", debug_info::check),
        ("guest_returns", guest_returns::check),
    ];

    #[test]
    fn all_inputs_of_the_corpora_pass() -> std::io::Result<()> {
        corpus::feed(&TARGETS)
    }
}
