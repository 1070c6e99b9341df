//! The test kit: a new cache for each test, sources and servers with scripted faults, mounts that are removed automatically, and
//! functions that read directory and records without the cache and its drivers.

mod child;
pub mod components;
pub mod corruption;
pub mod debian;
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
pub use mount::Mount;
pub use records::{OnDisk, Row};
pub use source::Source;
pub use temp_cache::{TempCache, fill, listed, queued, serve, set_times};
pub use throttled::{ThrottledReader, ThrottledSource};

use md5::{Digest, Md5};
use std::io::{self, Read, Write};
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

/// Pseudo-random bytes, the same for the same seed; shorter ones are a prefix of longer ones.
pub fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5851_F42D_4C95_7F2D;
    let mut next = || {
        // splitmix64
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    };
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        bytes.extend_from_slice(&next().to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// The MD5 of some bytes, in lower-case hexadecimal.
pub fn md5_hex(bytes: &[u8]) -> String {
    hex::encode(Md5::digest(bytes))
}

/// An MD5 that these bytes do not have.
pub fn wrong_md5(bytes: &[u8]) -> String {
    let right = md5_hex(bytes);
    let last = if right.ends_with('0') { '1' } else { '0' };
    format!("{}{last}", &right[..31])
}

/// Reads with a buffer of `size` bytes until the end or the first error, and returns the bytes before it.
pub fn read_until_error(reader: &mut impl Read, size: usize) -> (Vec<u8>, io::Result<()>) {
    let (mut all, mut buffer) = (Vec::new(), vec![0; size]);
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return (all, Ok(())),
            Ok(count) => all.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (all, Err(error)),
        }
    }
}

/// All bytes of a reader.
pub fn read_all(mut reader: impl Read) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    reader.read_to_end(&mut all)?;
    Ok(all)
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
