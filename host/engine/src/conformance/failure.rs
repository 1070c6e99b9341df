//! What a case says of a driver that does not do what it must.

use std::fmt::Debug;
use std::io;
use std::path::Path;

/// Characters of a value that are worth reading.
const SHOWN: usize = 600;

/// The end of a case.
pub type Verdict<T = ()> = Result<T, Failure>;

/// What a driver was to do, and what it did.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found {found}")]
pub struct Failure {
    /// What every driver must answer there.
    pub expected: String,
    /// What this one answered.
    pub found: String,
}

impl Failure {
    pub(super) fn new(expected: impl Into<String>, found: impl Into<String>) -> Self {
        Failure { expected: shortened(expected.into()), found: shortened(found.into()) }
    }
}

/// Holds an answer against the only right one.
pub(super) fn equal<T: PartialEq + Debug>(what: &str, found: &T, expected: &T) -> Verdict {
    if found == expected {
        return Ok(());
    }
    Err(Failure::new(format!("{what}: {expected:?}"), format!("{found:?}")))
}

/// Holds an answer against a rule that leaves a choice.
pub(super) fn holds(condition: bool, expected: impl Into<String>, found: &impl Debug) -> Verdict {
    if condition { Ok(()) } else { Err(Failure::new(expected, format!("{found:?}"))) }
}

/// What the suite itself could not do with a file.
pub(super) fn cannot(operation: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("to {operation} {}", path.display()), error.to_string())
}

fn shortened(text: String) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
