//! Errors that only the command line has.

use image_cache::ImageId;

/// An error that the library does not have.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The command was used in a way that is not possible.
    #[error("{0}")]
    Usage(String),
    /// The image is not cached, or not queued.
    #[error("image {id}: {what}")]
    NoSuchImage { id: ImageId, what: String },
    /// Another image is cached under this id.
    #[error("image {id} is cached already, with other bytes: {what}; delete it first")]
    OtherImage { id: ImageId, what: String },
    /// The reader of standard output has closed it; the error is not shown.
    #[error("standard output was closed")]
    OutputClosed,
}
