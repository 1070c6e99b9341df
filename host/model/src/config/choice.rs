//! The options with a few named values.

use std::str::FromStr;

/// `image_cache_durability`: which data is flushed to disk before an image counts as cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Durability {
    /// The image and its directory entry: a power loss does not lose a cached image.
    #[default]
    Full,
    /// Nothing is flushed. The image appears by a rename, so that no reader sees a part of it. A power loss can leave an image
    /// that is truncated or contains zeros, since the file system may write the rename before the bytes.
    RenameOnly,
}

/// `image_cache_other_writer`: what a reader does if another process is fetching its image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum OtherWriter {
    /// It reads the other process's growing file.
    #[default]
    Follow,
    /// It fetches the image itself, without the cache.
    PassThrough,
}

impl Durability {
    /// All choices.
    pub const ALL: &'static [Durability] = &[Durability::Full, Durability::RenameOnly];

    /// The name in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Durability::Full => "full",
            Durability::RenameOnly => "rename-only",
        }
    }
}

impl OtherWriter {
    /// All choices.
    pub const ALL: &'static [OtherWriter] = &[OtherWriter::Follow, OtherWriter::PassThrough];

    /// The name in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            OtherWriter::Follow => "follow",
            OtherWriter::PassThrough => "pass-through",
        }
    }
}

/// No choice has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is none of the choices: {accepted} are accepted")]
#[non_exhaustive]
pub struct UnknownChoice {
    /// The given name.
    pub found: String,
    /// The accepted names.
    pub accepted: &'static str,
}

impl FromStr for Durability {
    type Err = UnknownChoice;

    fn from_str(name: &str) -> Result<Self, UnknownChoice> {
        let choice = Durability::ALL.iter().copied().find(|choice| choice.name() == name);
        let accepted = "full and rename-only";
        choice.ok_or_else(|| UnknownChoice { found: name.to_owned(), accepted })
    }
}

impl FromStr for OtherWriter {
    type Err = UnknownChoice;

    fn from_str(name: &str) -> Result<Self, UnknownChoice> {
        let choice = OtherWriter::ALL.iter().copied().find(|choice| choice.name() == name);
        let accepted = "follow and pass-through";
        choice.ok_or_else(|| UnknownChoice { found: name.to_owned(), accepted })
    }
}
