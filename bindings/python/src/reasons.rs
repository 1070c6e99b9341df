//! The reasons inside errors, as words that programs can compare. Released words do not change.

use image_cache::{CallError, Damage, DriverFailure, FetchLoss};

/// How a cached image is damaged.
pub fn damage(damage: &Damage) -> &'static str {
    match damage {
        Damage::Bytes { .. } => "bytes",
        Damage::CutShort { .. } => "cut-short",
        Damage::Size { .. } => "size",
        Damage::Checksum { .. } => "checksum",
        // A later version of the library may have more.
        _ => "other",
    }
}

/// Why an operation with the driver failed.
pub fn driver_failure(reason: &DriverFailure) -> &'static str {
    match reason {
        DriverFailure::Call(error) if error.is_failure() => "call-failed",
        DriverFailure::Call(CallError::Refused(_) | CallError::StatementFailed { .. }) => "refused",
        DriverFailure::Call(CallError::Crowded) => "crowded",
        DriverFailure::Call(CallError::Corrupt(_)) => "database-corrupt",
        DriverFailure::Call(CallError::Replaced) => "database-replaced",
        DriverFailure::Load(_) => "not-loaded",
        DriverFailure::OutOfTime { .. } => "out-of-time",
        DriverFailure::RecordsDirty => "records-dirty",
        DriverFailure::HitsBeingWritten => "hits-being-written",
        DriverFailure::EndlessList { .. } => "endless-list",
        DriverFailure::NoVictims { .. } => "no-victims",
        // A later version of the library may have more.
        _ => "other",
    }
}

/// Why a reader lost the fetch that it followed.
pub fn loss(loss: FetchLoss) -> &'static str {
    match loss {
        FetchLoss::Abandoned => "abandoned",
        FetchLoss::CacheFailed => "cache-failed",
        FetchLoss::Stuck => "stuck",
        // A later version of the library may have more.
        _ => "other",
    }
}
