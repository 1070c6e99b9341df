//! Any image, any chunks, any expectation: a reader always gets a prefix, and gets the whole image only if it is correct.

use image_cache::{Expected, ImageCache, Outcome};
use image_cache_tests::{
    Source, TempCache, Tested, bytes, md5_hex, serve, with_both_drivers, wrong_md5,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::io::Read;

with_both_drivers![a_reader_gets_all_of_a_correct_image_and_never_all_of_a_wrong_one];

/// The expected MD5 and length of an image.
#[derive(Debug, Clone)]
struct Promise {
    /// None: no expectation; otherwise whether it is correct.
    md5: Option<bool>,
    /// None: no expectation; otherwise the difference to the correct length.
    size: Option<i64>,
}

#[derive(Debug, Clone)]
struct Stream {
    seed: u64,
    size: usize,
    chunk: usize,
    /// The sizes of the reads, which repeat.
    reads: Vec<usize>,
    promise: Promise,
    interrupted: bool,
}

fn stream() -> impl Strategy<Value = Stream> {
    let size = prop_oneof![0..20usize, 0..5000usize, 262_100..262_200usize, 524_200..800_000usize];
    let step = || prop_oneof![1..4usize, 1..5000usize, 200_000..600_000usize];
    let error = prop_oneof![Just(0), Just(-1), Just(1), -5000..5000i64];
    let promise =
        (proptest::option::of(proptest::bool::weighted(0.7)), proptest::option::of(error));
    let reads = proptest::collection::vec(step(), 1..4);
    (any::<u64>(), size, step(), reads, promise, any::<bool>()).prop_map(
        |(seed, size, chunk, reads, (md5, error), interrupted)| {
            // Single bytes only if that does not take long.
            let least = if size > 10_000 { 997 } else { 1 };
            let reads = reads.into_iter().map(|read| read.max(least)).collect();
            let promise = Promise { md5, size: error };
            Stream { seed, size, chunk: chunk.max(least), reads, promise, interrupted }
        },
    )
}

/// The received bytes, and whether the end was clean.
fn read(reader: &mut impl Read, sizes: &[usize]) -> (Vec<u8>, bool) {
    let mut came = Vec::new();
    for size in sizes.iter().cycle() {
        let mut buffer = vec![0; *size];
        match reader.read(&mut buffer) {
            Ok(0) => return (came, true),
            Ok(count) => came.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return (came, false),
        }
    }
    unreachable!("there is always a next size")
}

fn check(cache: &ImageCache, stream: &Stream) -> Result<(), TestCaseError> {
    let image = bytes(stream.seed, stream.size);
    let mut expected = Expected::nothing();
    if let Some(right) = stream.promise.md5 {
        let md5 = if right { md5_hex(&image) } else { wrong_md5(&image) };
        expected = expected.with_md5(&md5).expect("it has 32 digits");
    }
    let promised =
        stream.promise.size.map(|error| (stream.size as u64).saturating_add_signed(error));
    expected.size = promised;
    let right =
        stream.promise.md5 != Some(false) && promised.is_none_or(|size| size == stream.size as u64);

    let source = Source::of(&image[..]).in_chunks(stream.chunk);
    let source = if stream.interrupted { source.interrupted() } else { source };
    let mut reader = cache.caching_reader("a", source, expected).expect("the id is sound");
    let (came, ended_well) = read(&mut reader, &stream.reads);
    prop_assert!(image.starts_with(&came));
    prop_assert_eq!(ended_well, right);
    if right {
        prop_assert_eq!(came.len(), image.len());
        prop_assert!(
            matches!(reader.outcome(), Some(Outcome::Cached(_))),
            "{:?}",
            reader.outcome()
        );
        prop_assert!(serve(cache, "a").expect("it is cached") == image);
        prop_assert!(cache.delete_cached_image("a").expect("it can be deleted"));
    } else {
        let most = promised.unwrap_or(u64::MAX).min(stream.size as u64);
        prop_assert!((came.len() as u64) < most.max(1), "{} of {most} came", came.len());
        prop_assert!(!cache.is_cached("a").expect("the id is sound"));
    }
    Ok(())
}

fn a_reader_gets_all_of_a_correct_image_and_never_all_of_a_wrong_one(temp: &TempCache) -> Tested {
    let temp = TempCache::in_memory(temp.driver());
    let cache = temp.open();
    let config = Config { cases: 128, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&stream(), |stream| check(&cache, &stream));
    assert_eq!(cache.status()?.cache_failures, 0);
    Ok(result?)
}
