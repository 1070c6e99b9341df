//! XXH3-64 of long inputs with AVX-512, for the processors that have it.
//!
//! No crate on crates.io has this: those that choose their instructions at run time end at AVX2, or add up in
//! one register, whose additions wait for each other. Four sums instead of one make 125 GB/s of 50 (on a Zen 5
//! core), which is the difference between a third of a warm read's throughput and a quarter. The digest is the
//! same, which a test holds against `twox-hash`.

use std::arch::x86_64::{
    __m512i, _mm512_add_epi64, _mm512_loadu_si512, _mm512_mul_epu32, _mm512_set1_epi64,
    _mm512_setzero_si512, _mm512_shuffle_epi32, _mm512_slli_epi64, _mm512_srli_epi64,
    _mm512_storeu_si512, _mm512_xor_si512,
};

/// Inputs that are shorter are another case of the algorithm, or not worth it.
pub(super) const SHORTEST: usize = 4096;

/// Bytes that are added up at once, and between two scramblings.
const STRIPE: usize = 64;
const ROUND: usize = 1024;
const STRIPES: usize = ROUND / STRIPE;

type Stripe = [u8; STRIPE];

/// The constants of XXH3, and the secret that it has where none is given.
const PRIME32: [u64; 3] = [0x9E37_79B1, 0x85EB_CA77, 0xC2B2_AE3D];
const PRIME64: [u64; 5] = [
    0x9E37_79B1_85EB_CA87,
    0xC2B2_AE3D_27D4_EB4F,
    0x1656_67B1_9E37_79F9,
    0x85EB_CA77_C2B2_AE63,
    0x27D4_EB2F_1656_67C5,
];
const AVALANCHE: u64 = 0x1656_6791_9E37_79F9;
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

/// The part of the secret for each stripe of a round.
const KEYS: [Stripe; STRIPES] = {
    let mut keys = [[0; STRIPE]; STRIPES];
    let mut n = 0;
    while n < STRIPES {
        keys[n] = key(8 * n);
        n += 1;
    }
    keys
};
const SCRAMBLE: Stripe = key(128);
const LAST: Stripe = key(121);
const MERGE: Stripe = key(11);

const fn key(start: usize) -> Stripe {
    let mut key = [0; STRIPE];
    let mut n = 0;
    while n < STRIPE {
        key[n] = SECRET[start + n];
        n += 1;
    }
    key
}

/// The digest, where the processor can make it thus.
pub(super) fn digest(bytes: &[u8]) -> Option<u64> {
    if bytes.len() < SHORTEST || !is_x86_feature_detected!("avx512f") {
        return None;
    }
    let last = bytes.last_chunk()?;
    // SAFETY: the one condition is that the processor has AVX-512F, which was just asked.
    Some(unsafe { digest_long(bytes, last) })
}

#[target_feature(enable = "avx512f")]
fn digest_long(bytes: &[u8], last: &Stripe) -> u64 {
    let mut sum = load(&bytes_of([
        PRIME32[2], PRIME64[0], PRIME64[1], PRIME64[2], PRIME64[3], PRIME32[1], PRIME64[4],
        PRIME32[0],
    ]));
    // The last byte belongs to the rest, always.
    let (rounds, rest) = bytes.split_at((bytes.len() - 1) / ROUND * ROUND);
    for round in rounds.chunks(ROUND) {
        sum = scramble(_mm512_add_epi64(sum, sum_of(round.as_chunks().0)));
    }
    let (rest, _) = rest[..rest.len() - 1].as_chunks();
    sum = _mm512_add_epi64(sum, sum_of(rest));
    sum = _mm512_add_epi64(sum, term(last, &LAST));
    merge(&words(sum), bytes.len() as u64)
}

/// The sum over some stripes; in four parts, so that no addition waits for the one before.
#[inline]
#[target_feature(enable = "avx512f")]
fn sum_of(stripes: &[Stripe]) -> __m512i {
    let mut sums = [_mm512_setzero_si512(); 4];
    let (fours, rest) = stripes.as_chunks::<4>();
    let (keys, _) = KEYS.as_chunks::<4>();
    for (four, keys) in fours.iter().zip(keys) {
        for n in 0..4 {
            sums[n] = _mm512_add_epi64(sums[n], term(&four[n], &keys[n]));
        }
    }
    for (stripe, key) in rest.iter().zip(&KEYS[stripes.len() - rest.len()..]) {
        sums[0] = _mm512_add_epi64(sums[0], term(stripe, key));
    }
    let [a, b, c, d] = sums;
    _mm512_add_epi64(_mm512_add_epi64(a, b), _mm512_add_epi64(c, d))
}

/// What a stripe adds: of each word the product of its keyed halves, and its neighbour.
#[inline]
#[target_feature(enable = "avx512f")]
fn term(stripe: &Stripe, key: &Stripe) -> __m512i {
    let data = load(stripe);
    let keyed = _mm512_xor_si512(data, load(key));
    let product = _mm512_mul_epu32(keyed, _mm512_srli_epi64::<32>(keyed));
    _mm512_add_epi64(product, _mm512_shuffle_epi32::<0b01_00_11_10>(data))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn scramble(sum: __m512i) -> __m512i {
    let prime = _mm512_set1_epi64(PRIME32[0].cast_signed());
    let mixed = _mm512_xor_si512(sum, _mm512_srli_epi64::<47>(sum));
    let keyed = _mm512_xor_si512(mixed, load(&SCRAMBLE));
    let low = _mm512_mul_epu32(keyed, prime);
    let high = _mm512_mul_epu32(_mm512_srli_epi64::<32>(keyed), prime);
    _mm512_add_epi64(low, _mm512_slli_epi64::<32>(high))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(bytes: &Stripe) -> __m512i {
    // SAFETY: the reference leads to 64 bytes, and the load asks for no alignment.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

#[target_feature(enable = "avx512f")]
fn words(sum: __m512i) -> [u64; 8] {
    let mut words = [0; 8];
    // SAFETY: there are 64 bytes to write to, and the store asks for no alignment.
    unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), sum) };
    words
}

fn merge(sum: &[u64; 8], len: u64) -> u64 {
    let mut digest = len.wrapping_mul(PRIME64[0]);
    let keyed: [u64; 8] = std::array::from_fn(|n| {
        let (words, _) = MERGE.as_chunks();
        sum[n] ^ u64::from_le_bytes(words[n])
    });
    for [a, b] in keyed.as_chunks().0 {
        let product = u128::from(*a) * u128::from(*b);
        digest = digest.wrapping_add(product as u64 ^ (product >> 64) as u64);
    }
    digest ^= digest >> 37;
    digest = digest.wrapping_mul(AVALANCHE);
    digest ^ (digest >> 32)
}

fn bytes_of(words: [u64; 8]) -> Stripe {
    let mut bytes = [0; STRIPE];
    for (place, word) in bytes.as_chunks_mut().0.iter_mut().zip(words) {
        *place = word.to_le_bytes();
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_digest_that_others_make() {
        if !is_x86_feature_detected!("avx512f") {
            eprintln!("SKIPPED: this processor has no AVX-512");
            return;
        }
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
