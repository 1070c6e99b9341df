//! The debug information of a build without the feature `backtraces`: none is read.

use super::source_frame::SourceFrame;

/// None.
#[derive(Debug)]
pub enum NoDebugInfo {}

impl NoDebugInfo {
    /// Nothing is kept.
    pub fn read(_component: &[u8]) -> Option<NoDebugInfo> {
        None
    }

    pub fn frames(&self, _offsets: &[Option<usize>]) -> Vec<Vec<SourceFrame>> {
        match *self {}
    }
}
