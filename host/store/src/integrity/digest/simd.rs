//! XXH3-64 of long inputs, written so that the compiler makes vector instructions of it, for each kind of processor
//! its own.
//!
//! What verifying costs is the time of this function beside that of a warm read: of a file of 1 GiB in reads of
//! 1 MiB (Zen 5, AVX-512) a read makes 33 GB/s, and 26 with this, a fifth less. The crates that choose their
//! instructions at run time cost more than the quarter that we allow ourselves: `twox-hash` 38 % (it has AVX2, and
//! adds up in few registers), `rscrypto` 37 %, `rapidhash` 40 %, CRC-64/NVME by `crc-fast` with AVX-512 33 %; only the
//! MAC AEGIS-128X4 comes near (24 %), and far less so on processors that are older. To hash pieces of 64 to
//! 256 KiB right after each was read costs more in system calls than the nearer caches give.
//!
//! The digest is the same as theirs, which a test holds against `twox-hash`.

use multiversion::multiversion;

/// Inputs that are shorter are another case of the algorithm, or not worth it.
pub(super) const SHORTEST: usize = 4096;

/// Bytes that are added up at once, and between two scramblings.
const STRIPE: usize = 64;
const ROUND: usize = 1024;

/// The words of a stripe, and of a round.
const LANES: usize = STRIPE / WORD;
const WORDS: usize = ROUND / WORD;
const WORD: usize = 8;

/// A sum for each word of a stripe.
type Sums = [u64; LANES];

/// The constants of XXH3, and the secret that it has if none is given.
const PRIME32: [u64; 3] = [0x9E37_79B1, 0x85EB_CA77, 0xC2B2_AE3D];
const PRIME64: [u64; 5] = [
    0x9E37_79B1_85EB_CA87,
    0xC2B2_AE3D_27D4_EB4F,
    0x1656_67B1_9E37_79F9,
    0x85EB_CA77_C2B2_AE63,
    0x27D4_EB2F_1656_67C5,
];
const AVALANCHE: u64 = 0x1656_6791_9E37_79F9;
const START: Sums = [
    PRIME32[2], PRIME64[0], PRIME64[1], PRIME64[2], PRIME64[3], PRIME32[1], PRIME64[4], PRIME32[0],
];
#[rustfmt::skip]
const SECRET: [u8; 192] = [
    0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad, 0x1c,
    0xde, 0xd4, 0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f,
    0xcb, 0x79, 0xe6, 0x4e, 0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21,
    0xb8, 0x08, 0x46, 0x74, 0xf7, 0x43, 0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6, 0x81, 0x3a, 0x26, 0x4c,
    0x3c, 0x28, 0x52, 0xbb, 0x91, 0xc3, 0x00, 0xcb, 0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e, 0xa3,
    0x71, 0x64, 0x48, 0x97, 0xa2, 0x0d, 0xf9, 0x4e, 0x38, 0x19, 0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8,
    0xa8, 0xfa, 0x76, 0x3f, 0xe3, 0x9c, 0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7, 0xc7, 0x0b, 0x4f, 0x1d,
    0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59, 0x31, 0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78, 0x73, 0x64,
    0xea, 0xc5, 0xac, 0x83, 0x34, 0xd3, 0xeb, 0xc3, 0xc5, 0x81, 0xa0, 0xff, 0xfa, 0x13, 0x63, 0xeb,
    0x17, 0x0d, 0xdd, 0x51, 0xb7, 0xf0, 0xda, 0x49, 0xd3, 0x16, 0x55, 0x26, 0x29, 0xd4, 0x68, 0x9e,
    0x2b, 0x16, 0xbe, 0x58, 0x7d, 0x47, 0xa1, 0xfc, 0x8f, 0xf8, 0xb8, 0xd1, 0x7a, 0xd0, 0x31, 0xce,
    0x45, 0xcb, 0x3a, 0x8f, 0x95, 0x16, 0x04, 0x28, 0xaf, 0xd7, 0xfb, 0xca, 0xbb, 0x4b, 0x40, 0x7e,
];

/// The parts of the secret: for each stripe of a round the one that begins a word later.
const KEYS: [u64; WORDS] = {
    let mut keys = [0; WORDS];
    let mut n = 0;
    while n < WORDS {
        keys[n] = secret_at(WORD * (n / LANES) + WORD * (n % LANES));
        n += 1;
    }
    keys
};
const SCRAMBLE: Sums = key(128);
const LAST: Sums = key(121);
const MERGE: Sums = key(11);

const fn key(start: usize) -> Sums {
    let mut key = [0; LANES];
    let mut n = 0;
    while n < LANES {
        key[n] = secret_at(start + WORD * n);
        n += 1;
    }
    key
}

const fn secret_at(start: usize) -> u64 {
    let mut word = 0;
    let mut n = WORD;
    while n > 0 {
        n -= 1;
        word = word << 8 | SECRET[start + n] as u64;
    }
    word
}

/// The digest; nothing for inputs that are too short.
pub(super) fn digest(bytes: &[u8]) -> Option<u64> {
    if bytes.len() < SHORTEST {
        return None;
    }
    let last = bytes.last_chunk::<STRIPE>()?;
    // The last byte belongs to the rest, always.
    let (rounds, rest) = bytes.split_at((bytes.len() - 1) / ROUND * ROUND);
    let mut sums = START;
    add_rounds(&mut sums, rounds.as_chunks().0);
    let (stripes, _) = rest[..rest.len() - 1].as_chunks::<STRIPE>();
    for (stripe, keys) in stripes.iter().zip(KEYS.windows(LANES).step_by(LANES)) {
        add_stripe(&mut sums, stripe, keys);
    }
    add_stripe(&mut sums, last, &LAST);
    Some(merge(&sums, bytes.len() as u64))
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
fn add_rounds(sums: &mut Sums, rounds: &[[u8; ROUND]]) {
    for round in rounds {
        add_round(sums, round);
        for n in 0..LANES {
            sums[n] = (sums[n] ^ sums[n] >> 47 ^ SCRAMBLE[n]).wrapping_mul(PRIME32[0]);
        }
    }
}

/// Adds a round's words to their neighbours' sums, and their products to their own.
// Without this attribute it would not become part of each version of its caller.
#[inline(always)]
fn add_round(sums: &mut Sums, round: &[u8; ROUND]) {
    let (words, _) = round.as_chunks::<WORD>();
    let (mut plain, mut products) = ([0; LANES], [0; LANES]);
    // By numbers, not by iterators, and with that hint: so the compiler makes a vector of each stripe, not of the
    // same lane of several, which is five times slower.
    for stripe in 0..WORDS / LANES {
        let at = LANES * stripe;
        for n in 0..LANES {
            let word = u64::from_le_bytes(words[at + n]);
            plain[n] = word.wrapping_add(plain[n]);
            products[n] = product(word, KEYS[at + n]).wrapping_add(products[n]);
        }
        std::hint::black_box(());
    }
    for n in 0..LANES {
        sums[n] = sums[n].wrapping_add(products[n]).wrapping_add(plain[n ^ 1]);
    }
}

fn add_stripe(sums: &mut Sums, stripe: &[u8; STRIPE], keys: &[u64]) {
    for (n, word) in stripe.as_chunks::<WORD>().0.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        sums[n] = product(word, keys[n]).wrapping_add(sums[n]);
        sums[n ^ 1] = word.wrapping_add(sums[n ^ 1]);
    }
}

/// What a word adds to its own sum: the product of its keyed halves.
#[inline(always)]
fn product(word: u64, key: u64) -> u64 {
    let keyed = word ^ key;
    (keyed & u64::from(u32::MAX)).wrapping_mul(keyed >> 32)
}

fn merge(sums: &Sums, len: u64) -> u64 {
    let mut digest = len.wrapping_mul(PRIME64[0]);
    let keyed: Sums = std::array::from_fn(|n| sums[n] ^ MERGE[n]);
    for [a, b] in keyed.as_chunks().0 {
        let product = u128::from(*a) * u128::from(*b);
        digest = digest.wrapping_add(product as u64 ^ (product >> 64) as u64);
    }
    digest ^= digest >> 37;
    digest = digest.wrapping_mul(AVALANCHE);
    digest ^ (digest >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_digest_that_others_make() {
        let bytes: Vec<u8> = (0..300_000_u32).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect();
        let around = |len: usize| len - 66..len + 66;
        let lens = around(5000).chain(around(65_536)).chain(around(8192)).chain([4096, 300_000]);
        for len in lens {
            let other = twox_hash::XxHash3_64::oneshot(&bytes[..len]);
            assert_eq!(digest(&bytes[..len]), Some(other), "{len} bytes");
        }
        assert_eq!(digest(&bytes[..4095]), None);
    }
}
