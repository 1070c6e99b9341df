//! One function of a backtrace in the source.

/// A function of the source, as the debug information has it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "backtraces"),
    allow(dead_code, reason = "without it there are no frames")
)]
pub struct SourceFrame {
    /// The name of a function that the compiler inlined; none for the function of the module itself.
    pub inlined: Option<String>,
    /// The file.
    pub file: Option<String>,
    /// The line that it had reached.
    pub line: u64,
}
