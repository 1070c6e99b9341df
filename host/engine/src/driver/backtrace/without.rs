//! The debug information of a build without the feature `backtraces`: none is read.

use super::source_frame::SourceFrame;

/// None.
#[derive(Debug)]
pub enum DebugInfo {}

impl DebugInfo {
    /// Nothing is kept.
    pub fn read(_component: &[u8]) -> Option<DebugInfo> {
        None
    }

    pub fn frames(&self, _offsets: &[Option<usize>]) -> Vec<Vec<SourceFrame>> {
        match *self {}
    }
}
