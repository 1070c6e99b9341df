//! What an operator can do about an error.

use image_cache_engine::LoadError;
use image_cache_store::names;
use std::io;
use std::path::Path;

pub(super) const CORRECT_CHECKSUM: &str = "fetch it again or correct the checksum";
pub(super) const CORRECT_SIZE: &str = "fetch it again or correct the size";
pub(super) const FETCH_AGAIN: &str = "fetch it again";
pub(super) const BEGIN_AGAIN: &str = "begin a new writer";
pub(super) const OPEN_AGAIN: &str = "open a new reader";
pub(super) const OPEN_IN_PROCESS: &str = "open it again in this process";
pub(super) const READ_AGAIN: &str = "read again";
pub(super) const READ_FROM_START: &str = "read it again from the beginning";
pub(super) const READ_WITH_SOURCE: &str = "read it again with a source";
pub(super) const DELETE_AND_FETCH: &str = "delete it and fetch it again";
pub(super) const SEE_STATUS: &str = "see the log and `status`";

pub(super) fn of_directory(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "it, or a directory above it, exists and is not a directory: move it away, or set another image_cache_dir"
        }
        io::ErrorKind::PermissionDenied => "let this user read and write it, or run as its owner",
        io::ErrorKind::ReadOnlyFilesystem => "mount it writable, or set another image_cache_dir",
        io::ErrorKind::StorageFull => {
            "free some space or inodes (`df`, `df -i`), or lower image_cache_max_size and prune"
        }
        io::ErrorKind::NotFound => {
            "check that it exists; if it was removed or replaced after it was opened, restart the program"
        }
        _ => "check that it exists and is writable",
    }
}

pub(super) fn of_use(path: &Path) -> String {
    let users = path.join(names::USERS);
    format!(
        "stop what has it open (`fuser -v {}` names the processes), and try again",
        users.display()
    )
}

/// Why the sqlite driver is no replacement, if it was tried.
pub(super) fn fallback_words(fallback: Option<&LoadError>) -> String {
    let words =
        |error: &LoadError| format!("; the built-in sqlite driver cannot replace it: {error}");
    fallback.map(words).unwrap_or_default()
}
