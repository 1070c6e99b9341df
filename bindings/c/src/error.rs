//! The codes of failures.

use std::ffi::{CStr, c_char};

/// Why a call failed. Functions that can fail return one of these codes, or a number of at least 0. Later versions may add codes.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCode {
    /// An argument is not accepted: it is NULL, no open handle, no valid id, no valid digest, not UTF-8, or out of range. Nothing was changed.
    InvalidArgument = -1,
    /// The options have faults; the text lists all of them.
    Config = -2,
    /// The image is not cached.
    NotCached = -3,
    /// The cache directory or a file in it cannot be used; see imgcache_error_errno().
    Io = -4,
    /// A cached image is damaged. It is no longer cached, and no damaged byte was returned: fetch it again.
    Corrupt = -5,
    /// The bytes do not have an expected digest. Nothing was cached.
    DigestMismatch = -6,
    /// There are more or fewer bytes than expected. Nothing was cached.
    SizeMismatch = -7,
    /// The source failed, with the error that it reported. Nothing was cached.
    Source = -8,
    /// Another process has the cache open, and the operation needs exclusive use.
    InUse = -9,
    /// The driver failed, or none can be used. Images are still served if the cache is open.
    Driver = -10,
    /// Another call uses this reader or writer now, in another thread or further up in this one.
    Busy = -11,
    /// A source needs the image that is fetched from it, directly or through other fetches, so the call would wait forever.
    Deadlock = -12,
    /// No bytes are available now, because the source returned EAGAIN or EINTR. Call again; nothing has failed.
    Again = -13,
    /// The size of the image is not known before its end.
    SizeUnknown = -14,
    /// The library has a bug: it panicked in this call, or in an earlier call with the same handle. Close the handle.
    Panic = -15,
    /// A reason that has no code.
    Other = -16,
    /// A reader or writer was opened by the parent of this process, before a fork. Open one in this process.
    Forked = -17,
}

impl ErrorCode {
    const ALL: [ErrorCode; 17] = [
        ErrorCode::InvalidArgument,
        ErrorCode::Config,
        ErrorCode::NotCached,
        ErrorCode::Io,
        ErrorCode::Corrupt,
        ErrorCode::DigestMismatch,
        ErrorCode::SizeMismatch,
        ErrorCode::Source,
        ErrorCode::InUse,
        ErrorCode::Driver,
        ErrorCode::Busy,
        ErrorCode::Deadlock,
        ErrorCode::Again,
        ErrorCode::SizeUnknown,
        ErrorCode::Panic,
        ErrorCode::Other,
        ErrorCode::Forked,
    ];

    fn name(self) -> &'static CStr {
        match self {
            ErrorCode::InvalidArgument => c"invalid-argument",
            ErrorCode::Config => c"config",
            ErrorCode::NotCached => c"not-cached",
            ErrorCode::Io => c"io",
            ErrorCode::Corrupt => c"corrupt",
            ErrorCode::DigestMismatch => c"digest-mismatch",
            ErrorCode::SizeMismatch => c"size-mismatch",
            ErrorCode::Source => c"source",
            ErrorCode::InUse => c"in-use",
            ErrorCode::Driver => c"driver",
            ErrorCode::Busy => c"busy",
            ErrorCode::Deadlock => c"deadlock",
            ErrorCode::Again => c"again",
            ErrorCode::SizeUnknown => c"size-unknown",
            ErrorCode::Panic => c"panic",
            ErrorCode::Other => c"other",
            ErrorCode::Forked => c"forked",
        }
    }
}

/// A word for a code, for logs: "not-cached". "ok" for a number of at least 0, "unknown" for a code of a later version.
#[unsafe(no_mangle)]
pub extern "C" fn imgcache_error_name(error: i64) -> *const c_char {
    let known = ErrorCode::ALL.into_iter().find(|code| *code as i64 == error);
    let name = match known {
        Some(code) => code.name(),
        None if error >= 0 => c"ok",
        None => c"unknown",
    };
    name.as_ptr()
}
