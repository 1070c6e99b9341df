//! The contents of an entry's file: a digest, and the compiled code.

use twox_hash::XxHash3_64;

/// The suffix of an entry's name.
pub const ENTRY_SUFFIX: &str = ".cwasm";

/// The version of this format. It is part of an entry's name, so that no version treats another's files as damaged.
pub const VERSION: u8 = 1;

/// XXH3, 64 bits: it detects disk errors. Only this user can write to the directory, so it need not resist forgery.
const DIGEST: usize = 8;

/// The header before the code.
pub fn head(code: &[u8], name: &str) -> [u8; DIGEST] {
    digest(code, name).to_le_bytes()
}

/// The code of an entry; `None` if it is not what was written under this name.
pub fn content<'a>(entry: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let (head, code) = entry.split_first_chunk::<DIGEST>()?;
    (u64::from_le_bytes(*head) == digest(code, name)).then_some(code)
}

/// The digest includes the name, so that code moved to another component's entry is not run in its place.
fn digest(code: &[u8], name: &str) -> u64 {
    // In one call: in portions the library needs many times as long.
    XxHash3_64::oneshot_with_seed(XxHash3_64::oneshot(name.as_bytes()), code)
}
