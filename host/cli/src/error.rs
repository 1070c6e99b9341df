//! What only the command line can find wrong.

use image_cache::ImageId;

/// An error that the library does not have.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The command was given in a way that cannot be carried out.
    #[error("{0}")]
    Usage(String),
    /// The image is not cached, or not queued.
    #[error("image {id}: {what}")]
    NoSuchImage { id: ImageId, what: String },
    /// The reader of standard output closed it; the error is not shown.
    #[error("standard output was closed")]
    OutputClosed,
}
