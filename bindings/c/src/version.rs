//! The version of the library.

use crate::last_error::c_string;
use std::ffi::{CString, c_char, c_int};
use std::sync::LazyLock;

static VERSION: LazyLock<CString> = LazyLock::new(|| c_string(env!("CARGO_PKG_VERSION")));

/// The version of the loaded library, for example "0.1.0"; IMGCACHE_VERSION is that of this header.
#[unsafe(no_mangle)]
pub extern "C" fn imgcache_version() -> *const c_char {
    VERSION.as_ptr()
}

/// The version of the loaded library's binary interface, the number in its SONAME; IMGCACHE_INTERFACE is that of this header.
#[unsafe(no_mangle)]
pub extern "C" fn imgcache_interface() -> c_int {
    env!("IMGCACHE_INTERFACE").parse().unwrap_or(-1)
}
