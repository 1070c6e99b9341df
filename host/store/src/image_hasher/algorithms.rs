//! The implementations of the algorithms, behind the traits of RustCrypto's `digest`.

use image_cache_model::ChecksumAlgorithm;
use sha2::digest::{FixedOutput, Update};
use sha2::{Sha256, Sha512};

/// The MD5 in use: MD5 limits the speed of a fill. The crate `fast-md5` has assembly for x86-64, and needs 79 % of the time of the
/// crate `md-5` (948 and 747 MB/s on a Zen 5 core), with which the tests compare it.
#[cfg(feature = "fast-md5")]
type Md5 = super::fast_md5::FastMd5;
#[cfg(not(feature = "fast-md5"))]
type Md5 = md5::Md5;

/// A hash function that is selected at run time. (`digest::DynDigest` requires `Clone`, which fast-md5 does not have.)
pub(super) trait HashFunction: Send {
    /// Adds the next bytes.
    fn update(&mut self, bytes: &[u8]);

    /// The digest, in lower-case hexadecimal.
    fn finish(self: Box<Self>) -> String;
}

impl<D: Update + FixedOutput + Send> HashFunction for D {
    fn update(&mut self, bytes: &[u8]) {
        Update::update(self, bytes);
    }

    fn finish(self: Box<Self>) -> String {
        hex::encode((*self).finalize_fixed())
    }
}

/// The implementation of this algorithm, without bytes.
pub(super) fn implementation(algorithm: ChecksumAlgorithm) -> Option<Box<dyn HashFunction>> {
    Some(match algorithm {
        ChecksumAlgorithm::Md5 => Box::new(Md5::default()),
        ChecksumAlgorithm::Sha256 => Box::new(Sha256::default()),
        ChecksumAlgorithm::Sha512 => Box::new(Sha512::default()),
        // The model may get an algorithm before this package does.
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The digests of an empty text and of `abc`, from RFC 1321, A.5, and from NIST's examples for FIPS 180-4.
    const KNOWN: [(ChecksumAlgorithm, &str, &str); 3] = [
        (
            ChecksumAlgorithm::Md5,
            "d41d8cd98f00b204e9800998ecf8427e",
            "900150983cd24fb0d6963f7d28e17f72",
        ),
        (
            ChecksumAlgorithm::Sha256,
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
        (
            ChecksumAlgorithm::Sha512,
            "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        ),
    ];

    #[test]
    fn every_algorithm_has_an_implementation_that_agrees_with_its_standard() {
        assert_eq!(KNOWN.map(|(algorithm, ..)| algorithm), *ChecksumAlgorithm::ALL);
        for (algorithm, of_nothing, of_abc) in KNOWN {
            let new = || implementation(algorithm).unwrap_or_else(|| panic!("{algorithm}"));
            assert_eq!(new().finish(), of_nothing, "{algorithm}");
            let mut abc = new();
            abc.update(b"a");
            abc.update(b"bc");
            assert_eq!(abc.finish(), of_abc, "{algorithm}");
        }
    }

    /// Lengths around MD5's block size of 64 bytes, and around 56, where the padding needs another block, split at various
    /// places. Without the feature `fast-md5` this compares the crate `md-5` with its own one-shot function.
    #[test]
    fn the_md5_in_use_agrees_with_the_crate_md_5_at_every_length() {
        let bytes: Vec<u8> = (0..400u32).map(|n| (n * 31 % 251) as u8).collect();
        for length in 0..=300 {
            for cut in [0, 1, 55, 64, 65, length / 2] {
                let mut md5 = Box::new(Md5::default());
                let (first, second) = bytes[..length].split_at(cut.min(length));
                HashFunction::update(&mut *md5, first);
                HashFunction::update(&mut *md5, second);
                let other = hex::encode(<md5::Md5 as sha2::Digest>::digest(&bytes[..length]));
                assert_eq!(HashFunction::finish(md5), other, "{length} bytes, cut at {cut}");
            }
        }
    }
}
