//! The error of an option whose value is checked after the command line was parsed.

/// A file that an option names, or a combination of options, is not accepted.
#[derive(Debug, thiserror::Error)]
#[error("{0:#}")]
pub struct OptionError(anyhow::Error);

impl OptionError {
    /// The result of such a check.
    pub(crate) fn checked<T>(result: anyhow::Result<T>) -> Result<T, OptionError> {
        result.map_err(OptionError)
    }
}
