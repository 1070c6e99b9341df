//! The images of the processes.

use crate::data::bytes;

/// Images that exist from the start and are not deleted: their recorded hits are compared with the actual hits.
pub const STEADY: [&str; 4] = ["steady-0", "steady-1", "steady-2", "steady-3"];

/// Images that are cached and removed.
pub const PASSING: usize = 10;

/// The size limit of the cache; it is less than the size of all images.
pub const MAX_SIZE: u64 = 900_000;

/// The bytes of an image; every fetch gets the same.
pub fn image(id: &str) -> Vec<u8> {
    let seed = id.bytes().fold(7, |seed: u64, byte| seed * 31 + u64::from(byte));
    bytes(seed, 1000 + (seed % 5) as usize * 70_001)
}
