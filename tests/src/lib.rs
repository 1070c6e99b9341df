//! The test kit: a new cache for each test, sources and servers with scripted faults, mounts that are removed automatically, and
//! functions that read directory and records without the cache and its drivers.

mod child;
pub mod components;
pub mod corruption;
mod data;
pub mod debian;
pub mod embedded;
pub mod glance;
pub mod hostile;
pub mod http;
pub mod instructions;
pub mod measure;
pub mod monitor;
mod mount;
pub mod npm;
pub mod processes;
mod records;
pub mod serving;
mod source;
mod temp_cache;
mod throttled;
/// Only on platforms for which the registers of a system call are known.
#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
pub mod torture;

pub use child::{say_and_wait, wait_for};
pub use data::{bytes, digest, md5_hex, read_all, read_until_error, wrong_digest, wrong_md5};
pub use mount::Mount;
pub use records::{OnDisk, Row};
pub use source::Source;
pub use temp_cache::{TempCache, fill, listed, queued, serve, set_times};
pub use throttled::{ThrottledReader, ThrottledSource};

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// The result of a test; an error of any type fails it.
pub type Tested<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// Creates two tests from each function that takes a `&TempCache`: one with each built-in driver.
#[macro_export]
macro_rules! with_both_drivers {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            #[test]
            fn sqlite() -> $crate::Tested {
                super::$name(&$crate::TempCache::new("sqlite"))
            }

            #[test]
            fn xattr() -> $crate::Tested {
                super::$name(&$crate::TempCache::new("xattr"))
            }
        }
    )+};
}

/// Waits up to half a minute for a condition that becomes true by itself, or after a retry.
pub fn until(mut done: impl FnMut() -> bool) -> bool {
    (0..300).any(|_| {
        done() || {
            std::thread::sleep(Duration::from_millis(100));
            false
        }
    })
}

/// Whether the tests run as root; if not, prints what is skipped.
pub fn is_root(what: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        skip(&format!("{what} needs root"));
    }
    root
}

/// The directory in which cargo builds this program.
///
/// # Errors
/// If the program is elsewhere.
pub fn target() -> Tested<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(3).ok_or("there is no target directory")?;
    Ok(target.to_owned())
}

/// The exit code of a program; prints an error to standard error.
pub fn ended(result: Tested) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints what is skipped and why, even if the output of successful tests is not shown.
pub fn skip(why: &str) {
    let _ = writeln!(io::stderr(), "SKIPPED: {why}");
}

/// Whether this is a full run (`cargo xtask test --full`), which includes the tests that need another language and time; if not,
/// a message says that `what` is skipped.
pub fn is_full_run(what: &str) -> bool {
    let is_full = std::env::var_os("IMAGE_CACHE_TEST_FULL").is_some_and(|full| full == "1");
    if !is_full {
        skip(&format!("{what} without IMAGE_CACHE_TEST_FULL=1"));
    }
    is_full
}
