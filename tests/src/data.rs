//! The bytes of images, their digests, and reading to the end.

use image_cache::{Checksum, ChecksumAlgorithm};
use md5::{Digest, Md5};
use sha2::{Sha256, Sha512};
use std::io::{self, Read};

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

/// The digest of some bytes by this algorithm.
pub fn digest(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> Checksum {
    let digits = match algorithm {
        ChecksumAlgorithm::Md5 => md5_hex(bytes),
        ChecksumAlgorithm::Sha256 => hex::encode(Sha256::digest(bytes)),
        ChecksumAlgorithm::Sha512 => hex::encode(Sha512::digest(bytes)),
        other => panic!("the tests do not compute {other}"),
    };
    Checksum::new(algorithm, &digits).expect("it has the right length")
}

/// A checksum by this algorithm that these bytes do not have.
pub fn wrong_digest(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> Checksum {
    let right = digest(algorithm, bytes);
    let (rest, last) = right.value().split_at(algorithm.hex_digits() - 1);
    let other = if last == "0" { "1" } else { "0" };
    Checksum::new(algorithm, &format!("{rest}{other}")).expect("it has the right length")
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
