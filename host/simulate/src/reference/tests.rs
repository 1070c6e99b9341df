//! The references on short traces that can be followed by hand.

use super::Reference;
use crate::replay::{Outcome, simulate};
use crate::trace::{Trace, TraceOptions};

/// Replays requests of images of one letter, each of 10 bytes.
fn replay(reference: Reference, letters: &str, capacity: u64) -> Outcome {
    let lines = letters.chars().map(|id| format!("1,{id},10\n"));
    outcome(reference, &lines.collect::<String>(), capacity)
}

fn outcome(reference: Reference, csv: &str, capacity: u64) -> Outcome {
    let trace = Trace::read(csv.as_bytes(), &TraceOptions::default()).expect("a trace");
    simulate(&trace, &mut *reference.policy(&trace, capacity), capacity).expect("no call can fail")
}

fn hits(reference: Reference, letters: &str, images: u64) -> u64 {
    replay(reference, letters, images * 10).hits
}

#[test]
fn each_policy_evicts_its_own_victim() {
    // b is the least recently used at d, a the first that came.
    assert_eq!(hits(Reference::Lru, "abcada", 3), 2);
    assert_eq!(hits(Reference::Fifo, "abcada", 3), 1);
    assert_eq!(hits(Reference::Sieve, "abcada", 3), 2);
    // a was used twice, b and c once.
    assert_eq!(hits(Reference::Lfu, "aabcda", 3), 2);
    assert_eq!(hits(Reference::Lru, "aabcda", 3), 1);
    // Nobody evicts fewer of equal sizes than the one who knows the future.
    let letters = "abcdeabfabgacdeabcfdeagbc";
    for images in 2..6 {
        let most = hits(Reference::Belady, letters, images);
        for reference in Reference::ALL {
            assert!(hits(reference, letters, images) <= most, "{}", reference.name());
        }
    }
}

#[test]
fn sieve_and_s3_fifo_are_not_flushed_by_a_scan() {
    // a to j are used again and again, with a long scan of others in between.
    let scan: String = ('\u{4e00}'..'\u{4f00}').collect();
    let letters = format!("{0}{0}{0}{scan}{0}", "abcdefghij");
    assert_eq!(hits(Reference::Lru, &letters, 20), 20);
    for reference in [Reference::Sieve, Reference::S3Fifo, Reference::WTinyLfu, Reference::Lfu] {
        assert_eq!(hits(reference, &letters, 20), 30, "{}", reference.name());
    }
}

#[test]
fn gdsf_keeps_small_images_rather_than_large_ones() {
    let csv = "1,small,10\n2,large,80\n3,new,20\n4,small,10\n";
    assert_eq!(outcome(Reference::Gdsf, csv, 100).hits, 1);
    assert_eq!(outcome(Reference::Lru, csv, 100).hits, 0);
}

#[test]
fn a_simulated_cache_never_holds_more_than_its_size_and_refuses_what_is_larger() {
    let mut seed = 7u64;
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) % below
    };
    let sizes: Vec<u64> = (0..50).map(|_| random(60)).collect();
    let csv: String = (0..3000)
        .map(|at| {
            let image = random(50);
            format!("{at},{image},{}\n", sizes[image as usize])
        })
        .collect();
    for reference in Reference::ALL {
        for capacity in [0, 1, 30, 200, 100_000] {
            let outcome = outcome(reference, &csv, capacity);
            assert_eq!(outcome.requests, 3000);
            assert!(outcome.hits + outcome.evictions + outcome.refused <= 3000);
            if capacity == 100_000 {
                assert_eq!((outcome.evictions, outcome.refused), (0, 0), "{}", reference.name());
                assert_eq!(outcome.hits, 2950, "{}", reference.name());
            }
        }
    }
}

#[test]
fn another_size_is_another_version_and_a_miss() {
    let csv = "1,a,10\n2,a,10\n3,a,20\n4,a,20\n5,b,90\n";
    for reference in [Reference::Lru, Reference::Fifo, Reference::Lfu, Reference::Sieve] {
        let outcome = outcome(reference, csv, 100);
        assert_eq!((outcome.hits, outcome.hit_bytes), (2, 30), "{}", reference.name());
        assert_eq!(outcome.evictions, 1, "the old version was not evicted, and used no room");
    }
}
