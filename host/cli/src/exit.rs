//! Exit codes, and error messages on standard error.

use crate::error::CliError;
use crate::log_queue;
use crate::output::{LogFormat, printable};
use image_cache::Error;
use std::io;
use std::process::ExitCode;

/// The program's exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// Done.
    Done = 0,
    /// Failed.
    Failed = 1,
    /// Wrong usage, or an invalid configuration.
    Usage = 2,
    /// An image does not exist.
    NoSuchImage = 3,
    /// The bytes do not match the expected checksum or size.
    Mismatch = 4,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> ExitCode {
        ExitCode::from(code as u8)
    }
}

/// Shows an error on standard error, and returns its exit code.
pub fn report(error: &anyhow::Error) -> Code {
    if !matches!(error.downcast_ref(), Some(CliError::OutputClosed)) {
        print_message("error", &in_full(error));
    }
    code(error)
}

/// Writes a line to standard error.
pub fn print_message(kind: &str, text: &str) {
    let line = format!("{kind}: {}\n", printable(text));
    log_queue::queue(LogFormat::Text).push(line.as_bytes());
}

fn code(error: &anyhow::Error) -> Code {
    if let Some(error) = error.downcast_ref::<CliError>() {
        return match error {
            CliError::Usage(_) => Code::Usage,
            CliError::NoSuchImage { .. } => Code::NoSuchImage,
            CliError::OtherImage { .. } => Code::Mismatch,
            CliError::OutputClosed => Code::Failed,
        };
    }
    if error.is::<image_cache::ConfigError>() || is_option_error(error) {
        return Code::Usage;
    }
    let io_error = error.downcast_ref::<io::Error>();
    match error.downcast_ref::<Error>().or_else(|| io_error.and_then(Error::of_io)) {
        Some(Error::InvalidImageId(_) | Error::InvalidChecksum(_) | Error::Config(_)) => {
            Code::Usage
        }
        Some(
            Error::ChecksumMismatch { .. } | Error::SizeMismatch { .. } | Error::Corrupt { .. },
        ) => Code::Mismatch,
        _ if error.is::<image_cache::InvalidChecksum>() => Code::Usage,
        _ => Code::Failed,
    }
}

#[cfg(feature = "serve")]
fn is_option_error(error: &anyhow::Error) -> bool {
    error.is::<image_cache_serve::OptionError>()
}

#[cfg(not(feature = "serve"))]
fn is_option_error(_: &anyhow::Error) -> bool {
    false
}

/// The error with its causes. A cause that the error's own text contains is omitted.
fn in_full(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !text.contains(&cause) {
            text = if text.is_empty() { cause } else { format!("{text}: {cause}") };
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;
    use image_cache::{Checksum, ChecksumAlgorithm, ImageId};
    use std::sync::Arc;

    fn md5(digit: &str) -> Checksum {
        Checksum::new(ChecksumAlgorithm::Md5, &digit.repeat(32)).expect("it has 32 digits")
    }

    #[test]
    fn errors_map_to_their_codes() {
        let id: ImageId = "a".parse().expect("a plain name is an id");
        let mismatch = Error::SizeMismatch { image_id: id.clone(), expected: 1, found: 2 };
        assert_eq!(code(&mismatch.into()), Code::Mismatch);
        let mismatch =
            Error::ChecksumMismatch { image_id: id.clone(), expected: md5("0"), found: md5("1") };
        assert_eq!(code(&io::Error::from(mismatch).into()), Code::Mismatch);
        let invalid =
            "a/b".parse::<ImageId>().map_err(Error::from).expect_err("a slash is refused");
        assert_eq!(code(&invalid.into()), Code::Usage);
        let missing = CliError::NoSuchImage { id: id.clone(), what: "it is not cached".into() };
        assert_eq!(code(&missing.into()), Code::NoSuchImage);
        let source = Arc::new(io::Error::other("gone"));
        let failed = Error::SourceFailed { image_id: id, source };
        assert_eq!(code(&failed.into()), Code::Failed);
        assert_eq!(code(&io::Error::other("disk").into()), Code::Failed);
    }

    #[test]
    fn a_cause_is_shown_once() {
        let id: ImageId = "a".parse().expect("a plain name is an id");
        let error = anyhow::Error::from(Error::SourceFailed {
            image_id: id,
            source: Arc::new(io::Error::other("gone")),
        });
        assert_eq!(in_full(&error).matches("gone").count(), 1);
        let error = Err::<(), _>(io::Error::other("disk"))
            .context("cannot read x")
            .expect_err("an expected error");
        assert_eq!(in_full(&error), "cannot read x: disk");
    }
}
