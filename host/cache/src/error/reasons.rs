//! The reasons inside errors, which a program can match.

use image_cache_engine::{CallError, DriverError, LoadError};
use image_cache_model::{CacheSize, Checksum};
use std::time::Duration;

/// How a cached image is damaged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// Some of these bytes have changed since they were cached.
    #[error("bytes {start} to {end} are not those that were cached")]
    Bytes {
        /// The offset of the first byte of the block.
        start: u64,
        /// The offset after its last byte.
        end: u64,
    },
    /// The file ends too early.
    #[error("it was cut short to less than {expected} bytes")]
    CutShort {
        /// The size that was cached, in bytes.
        expected: u64,
    },
    /// The file has another size.
    #[error("it has {found} bytes, but {expected} were cached")]
    Size {
        /// The size that was cached, in bytes.
        expected: u64,
        /// The size of the file, in bytes.
        found: u64,
    },
    /// The whole file has another digest than its record.
    #[error("its {} is {found}, but its record has {expected}", expected.algorithm())]
    Checksum {
        /// The checksum in the record.
        expected: Checksum,
        /// The digest of the file.
        found: Checksum,
    },
}

/// Why an operation with the driver failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DriverFailure {
    /// A call failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The driver cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// All calls of the operation together took too long; the sqlite driver takes over.
    #[error("all its calls together took more than {:.3} s, the limit for the number of cached images", allowed.as_secs_f64())]
    OutOfTime {
        /// The time that the calls had.
        allowed: Duration,
    },
    /// The records are repaired first, from the directory.
    #[error("the records must be repaired first")]
    RecordsDirty,
    /// Another call writes hits, and did not end in time.
    #[error("hits are being written")]
    HitsBeingWritten,
    /// The driver lists far more images than are cached.
    #[error("it lists more than {most} images that are not cached")]
    EndlessList {
        /// The number of such images that is accepted.
        most: usize,
    },
    /// The driver follows the contract, but the cache cannot use its answer.
    #[error("{why}")]
    UselessAnswer {
        /// What the driver did, in words.
        why: &'static str,
    },
    /// The driver names no victims that can be evicted, although the cache exceeds its limits.
    #[error("{} images of {} bytes are still cached: {why}", cached.images, cached.bytes)]
    NoVictims {
        /// The size of the cache.
        cached: CacheSize,
        /// What the driver did, in words.
        why: &'static str,
    },
}

impl DriverFailure {
    /// Whether the same operation may succeed later; see [`Error::is_retryable`](crate::Error::is_retryable).
    pub fn is_retryable(&self) -> bool {
        match self {
            // A driver that failed gets a new instance, a database that is corrupt or was removed is made again, and after too
            // many failures sqlite takes over.
            DriverFailure::Call(error) => match error {
                CallError::Refused(refused) => matches!(refused, DriverError::Busy),
                CallError::StatementFailed { .. } => false,
                _ => true,
            },
            DriverFailure::OutOfTime { .. }
            | DriverFailure::RecordsDirty
            | DriverFailure::HitsBeingWritten => true,
            DriverFailure::Load(_)
            | DriverFailure::EndlessList { .. }
            | DriverFailure::UselessAnswer { .. }
            | DriverFailure::NoVictims { .. } => false,
        }
    }
}

/// Why records could not be moved from one driver to another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MigrationFailure {
    /// One of the drivers cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Both names are of one driver.
    #[error("that is one and the same driver")]
    SameDriver,
    /// The old driver has no records, although images are cached.
    #[error(
        "{from} has no record of any image, although some are cached: name the driver that this cache used"
    )]
    NoRecords {
        /// The old driver.
        from: String,
    },
    /// The new driver returns other records than were written.
    #[error("the new records differ from what was written, {difference}")]
    Differs {
        /// The number of differing records, and the first one, in words.
        difference: String,
    },
}

/// Why a reader without a source of its own lost the fetch that it followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchLoss {
    /// The writer ended.
    #[error("its fetch was interrupted")]
    Abandoned,
    /// The cache failed; the source still works.
    #[error("the cache failed while it was fetched")]
    CacheFailed,
    /// There was no progress for `image_cache_other_writer_patience`.
    #[error("its writer has made no progress for too long")]
    Stuck,
}

/// Why a file handle is not accepted as a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnsuitableFile {
    /// It is a directory.
    #[error("it is a directory")]
    Directory,
    /// It is a terminal or another character device, which may never end.
    #[error("it is a character device, which may never end")]
    CharacterDevice,
    /// It is neither a regular file, nor a block device, a pipe or a socket.
    #[error("it is no regular file, block device, pipe or socket")]
    OtherKind,
    /// It was not opened for reading.
    #[error("it was not opened for reading")]
    NotForReading,
    /// It is a pipe or socket that does not block.
    #[error("it does not block: clear O_NONBLOCK, or pass a reader of your own to `cache_image`")]
    NonBlocking,
}
