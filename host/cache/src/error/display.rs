//! The texts of errors, and their causes.

use super::Error;
use super::remedy;
use std::error::Error as StdError;
use std::fmt;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::InvalidImageId(error) => fmt::Display::fmt(error, f),
            Error::InvalidChecksum(error) => fmt::Display::fmt(error, f),
            Error::Config(error) => fmt::Display::fmt(error, f),
            Error::Directory { operation, path, source } => {
                write!(f, "cannot {operation} {}: {source}", path.display())
            }
            Error::Metadata { operation, driver, reason } => {
                write!(
                    f,
                    "cannot {operation} with driver {driver}: {reason}; images are still served"
                )
            }
            Error::InUse { path } => write!(f, "the cache in {} is in use", path.display()),
            Error::Migration { from, to, reason } => write!(
                f,
                "cannot move the records from {from} to {to}: {reason}; the records of {from} are unchanged"
            ),
            #[cfg(feature = "tokio")]
            Error::RuntimeStopped => f.write_str(
                "the tokio runtime stopped during the operation; unfinished work was undone",
            ),
            Error::ReaderFailed { .. } => f.write_str("the stream has already failed"),
            Error::NoDriver { configured, reason, fallback } => {
                write!(f, "no driver can be used: {configured}: {reason}")?;
                f.write_str(&remedy::fallback_words(fallback.as_deref()))
            }
            Error::Image { .. }
            | Error::ChecksumMismatch { .. }
            | Error::SizeMismatch { .. }
            | Error::Corrupt { .. }
            | Error::Truncated { .. }
            | Error::SourceFailed { .. }
            | Error::SourceNotReady { .. }
            | Error::FetchLost { .. }
            | Error::Changed { .. }
            | Error::Deadlock { .. }
            | Error::UnsuitableFile { .. }
            | Error::WriterFailed { .. }
            | Error::Forked { .. } => self.fmt_of_image(f),
        }?;
        let between = if let Error::InUse { .. } = self { ": " } else { "; " };
        match self.remedy() {
            Some(remedy) => write!(f, "{between}{remedy}"),
            None => Ok(()),
        }
    }
}

impl Error {
    /// The text of an error about one image, without the remedy.
    fn fmt_of_image(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Image { operation, image_id, source } => {
                write!(f, "cannot {operation} image {image_id}: {source}")
            }
            Error::ChecksumMismatch { image_id, expected, found } => write!(
                f,
                "image {image_id}: {} {expected} was expected, but the source returned {found}; nothing was cached",
                expected.algorithm()
            ),
            Error::SizeMismatch { image_id, expected, found } => {
                let more = if found > expected { " or more" } else { "" };
                write!(
                    f,
                    "image {image_id}: {expected} bytes were expected, but the source returned {found}{more}; nothing was cached"
                )
            }
            Error::Corrupt { image_id, damage } => {
                write!(f, "image {image_id} is damaged: {damage}; it is no longer served")
            }
            Error::Truncated { image_id } => {
                write!(f, "image {image_id} was truncated on disk while it was read")
            }
            Error::SourceFailed { image_id, source } => {
                write!(f, "image {image_id}: the source failed: {source}; nothing was cached")
            }
            Error::SourceNotReady { image_id, source } => {
                write!(f, "image {image_id}: the source has no bytes now: {source}")
            }
            Error::FetchLost { image_id, loss } => {
                write!(f, "image {image_id}: {loss}, and this reader has no source of its own")
            }
            Error::Changed { image_id } => write!(
                f,
                "image {image_id} had to be fetched again, and its bytes differ from those that this reader already has"
            ),
            Error::Deadlock { image_id } => write!(
                f,
                "image {image_id}: its fetch waits for this read, because a source reads an image that is fetched from it, \
                 directly or through other fetches; a source must not need its own image"
            ),
            Error::UnsuitableFile { image_id, reason } => {
                write!(f, "image {image_id}: the file cannot be its source: {reason}")
            }
            Error::WriterFailed { image_id } => {
                write!(f, "image {image_id}: the writer has already failed; nothing was cached")
            }
            Error::Forked { image_id } => write!(
                f,
                "image {image_id}: it was opened before this process was forked, by its parent"
            ),
            _ => Ok(()),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Error::Directory { source, .. }
            | Error::Image { source, .. }
            | Error::SourceFailed { source, .. }
            | Error::SourceNotReady { source, .. } => Some(&**source),
            Error::Metadata { reason, .. } => Some(reason),
            Error::Migration { reason, .. } => Some(reason),
            Error::NoDriver { reason, .. } => Some(reason),
            _ => None,
        }
    }
}
