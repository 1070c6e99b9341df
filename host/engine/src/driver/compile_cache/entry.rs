//! What an entry's file holds: a digest, and the compiled code that it is of.

use twox_hash::XxHash3_64;

/// Of what follows. It is part of an entry's name, so that no version takes the files of another for damaged ones.
pub const VERSION: u8 = 1;

/// XXH3, 64 bits: against a disk that errs. Who could write a digest that fits could write into the directory, and is us.
const DIGEST: usize = 8;

/// What stands before the code.
pub fn head(code: &[u8], name: &str) -> [u8; DIGEST] {
    digest(code, name).to_le_bytes()
}

/// The code of an entry; nothing if it is not what was written under this name.
pub fn content<'a>(entry: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let (head, code) = entry.split_first_chunk::<DIGEST>()?;
    (u64::from_le_bytes(*head) == digest(code, name)).then_some(code)
}

/// Of the code under its name: moved to another component's, it would be run in the place of that.
fn digest(code: &[u8], name: &str) -> u64 {
    // At once: in portions it takes the library many times as long.
    XxHash3_64::oneshot_with_seed(XxHash3_64::oneshot(name.as_bytes()), code)
}
