//! A case's report about a driver that does not meet a requirement.

use std::fmt::Debug;
use std::io;
use std::path::Path;

/// How many characters of a value are shown.
const SHOWN: usize = 600;

/// How many characters of an error are shown: it can have the text of a panic and a backtrace.
const SHOWN_OF_ERROR: usize = 4000;

/// The result of a case.
pub type Verdict<T = ()> = Result<T, Failure>;

/// What a driver had to do, and what it did.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found {found}")]
#[non_exhaustive]
pub struct Failure {
    /// The required result.
    pub expected: String,
    /// The driver's result.
    pub found: String,
}

impl Failure {
    pub(super) fn new(expected: impl Into<String>, found: impl Into<String>) -> Self {
        Failure {
            expected: shortened(expected.into(), SHOWN),
            found: shortened(found.into(), SHOWN),
        }
    }

    /// An error in place of the required result.
    pub(super) fn of_error(expected: impl Into<String>, error: &impl ToString) -> Self {
        Failure {
            expected: shortened(expected.into(), SHOWN),
            found: shortened(error.to_string(), SHOWN_OF_ERROR),
        }
    }
}

/// Compares a result with the only correct one.
pub(super) fn equal<T: PartialEq + Debug>(what: &str, found: &T, expected: &T) -> Verdict {
    if found == expected {
        return Ok(());
    }
    Err(Failure::new(format!("{what}: {expected:?}"), format!("{found:?}")))
}

/// Checks a condition that allows several results.
pub(super) fn holds(condition: bool, expected: impl Into<String>, found: &impl Debug) -> Verdict {
    if condition { Ok(()) } else { Err(Failure::new(expected, format!("{found:?}"))) }
}

/// Reports that the suite itself failed to use a file.
pub(super) fn cannot(operation: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("to {operation} {}", path.display()), error.to_string())
}

fn shortened(text: String, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
