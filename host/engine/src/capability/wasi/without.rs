//! The state of a guest in a build without the feature `wasi`: no guest can import WASI, so none has a state.

/// No state.
#[derive(Debug, Default)]
pub struct NoWasi;

impl NoWasi {
    /// No guest writes anything.
    pub fn take_lines(&mut self) -> Vec<String> {
        Vec::new()
    }
}
