//! XXH3-64 of long inputs, written so that the compiler generates vector instructions for each kind of processor.
//!
//! The cost of verifying is the time of this function relative to a warm read. Reads of 1 MiB from a file of 1 GiB (Zen 5,
//! AVX-512) reach 33 GB/s, and 26 GB/s with this function, a fifth less. The crates that select their instructions at run time
//! exceed our limit of a quarter: `twox-hash` 38 % (AVX2, few registers for its sums), `rscrypto` 37 %, `rapidhash` 40 %,
//! CRC-64/NVME by `crc-fast` with AVX-512 33 %. Only the MAC AEGIS-128X4 is close (24 %), but it is much slower on older
//! processors. Hashing pieces of 64 to 256 KiB right after reading each costs more in system calls than it saves in cache misses.
//!
//! A test compares the digest with that of `twox-hash`.

/// For shorter inputs the algorithm differs, or this code is not faster.
pub(super) const SHORTEST: usize = 4096;

/// Bytes that are added at once, and between two scramblings.
const STRIPE: usize = 64;
const ROUND: usize = 1024;

/// Words of a stripe, and of a round.
const LANES: usize = STRIPE / WORD;
const WORDS: usize = ROUND / WORD;
const WORD: usize = 8;

/// A sum for each word of a stripe.
type Sums = [u64; LANES];

/// The constants of XXH3, and its default secret.
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

/// The keys of the stripes of a round: for each stripe, the part of the secret that begins one word later.
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

/// The digest; `None` for inputs that are too short.
pub(super) fn digest(bytes: &[u8]) -> Option<u64> {
    if bytes.len() < SHORTEST {
        return None;
    }
    let last = bytes.last_chunk::<STRIPE>()?;
    // The last byte always belongs to the rest.
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

#[cfg_attr(
    feature = "multiversion",
    multiversion::multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))
)]
fn add_rounds(sums: &mut Sums, rounds: &[[u8; ROUND]]) {
    for round in rounds {
        add_round(sums, round);
        for n in 0..LANES {
            sums[n] = (sums[n] ^ sums[n] >> 47 ^ SCRAMBLE[n]).wrapping_mul(PRIME32[0]);
        }
    }
}

/// Adds each word of a round to its neighbour's sum, and its product to its own sum.
// Without this attribute it would not be compiled into each version of its caller.
#[inline(always)]
fn add_round(sums: &mut Sums, round: &[u8; ROUND]) {
    let (words, _) = round.as_chunks::<WORD>();
    let (mut plain, mut products) = ([0; LANES], [0; LANES]);
    // With indices instead of iterators, and with the hint, the compiler makes a vector of each stripe. A vector of the same lane
    // of several stripes is five times slower.
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

/// The product of a word's keyed halves, which is added to its own sum.
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
    fn it_agrees_with_another_implementation() {
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
