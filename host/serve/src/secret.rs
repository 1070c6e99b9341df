//! Secrets: read from a file or the environment, compared in constant time, never shown.

use anyhow::{Context, bail};
use image_cache::read_file;
use sha2::{Digest, Sha256};
use std::path::Path;
use std::{fmt, io};
use subtle::ConstantTimeEq;

/// The maximum size of a secret.
const MAX_BYTES: u64 = 64 * 1024;

/// A text that no log and no error shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text of a file, or else of an environment variable, without surrounding white space; `None` if neither is set.
    pub fn of_file_or_variable(
        file: Option<&Path>,
        variable: &str,
    ) -> anyhow::Result<Option<Secret>> {
        match (file, std::env::var(variable)) {
            (Some(file), _) => Secret::of_file(file).map(Some),
            (None, Ok(text)) if !text.trim().is_empty() => Ok(Some(Secret::of(&text))),
            (None, Err(std::env::VarError::NotUnicode(_))) => bail!("${variable} is not UTF-8"),
            (None, _) => Ok(None),
        }
    }

    fn of_file(file: &Path) -> anyhow::Result<Secret> {
        let cannot = || format!("cannot read {}", file.display());
        let bytes = match read_file(file, MAX_BYTES) {
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                bail!("{} is too large for a secret", file.display())
            }
            other => other.with_context(cannot)?,
        };
        // The error of a wrong byte would show the text before it.
        let text = String::from_utf8(bytes)
            .ok()
            .with_context(|| format!("{} is not UTF-8", file.display()))?;
        if text.trim().is_empty() {
            bail!("{} is empty: it must contain a secret", file.display());
        }
        Ok(Secret::of(&text))
    }

    fn of(text: &str) -> Secret {
        Secret(text.trim().to_owned())
    }

    /// The text, for a request.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Compares in constant time: the time reveals neither where the bytes differ nor their number.
    pub fn is(&self, given: &[u8]) -> bool {
        Sha256::digest(&self.0).ct_eq(&Sha256::digest(given)).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_without_its_line_end_compared_completely_and_not_shown() {
        let file = tempfile::NamedTempFile::new().expect("a file can be made");
        std::fs::write(file.path(), "swordfish\n").expect("it is writable");
        let secret = Secret::of_file(file.path()).expect("it is readable");
        assert!(secret.is(b"swordfish"));
        assert!(!secret.is(b"swordfis") && !secret.is(b"swordfish2") && !secret.is(b""));
        assert_eq!(format!("{secret:?}"), "Secret(…)");
    }

    #[test]
    fn an_empty_file_is_not_a_secret() {
        let file = tempfile::NamedTempFile::new().expect("a file can be made");
        let error = Secret::of_file(file.path()).expect_err("it is empty");
        assert!(error.to_string().contains("is empty"), "{error}");
    }
}
