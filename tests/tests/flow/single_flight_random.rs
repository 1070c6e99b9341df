//! Many readers of one image that start, leave, stall and fail at random; the seed is printed.

use image_cache::tokio::AsyncImageCache;
use image_cache::{Error, Expected, ImageCache, Outcome};
use image_cache_tests::{
    Mount, TempCache, Tested, ThrottledSource, bytes, md5_hex, until, with_both_drivers,
};
use std::io::{self, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

with_both_drivers![
    whatever_readers_do_each_gets_the_image_or_an_error,
    whatever_readers_do_on_a_full_disk_each_gets_the_image_or_an_error,
];

const MIB: usize = 1 << 20;

/// Pseudo-random numbers, the same for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % limit
    }
}

fn seed() -> u64 {
    let given = std::env::var("FLIGHT_SEED").ok().and_then(|seed| seed.parse().ok());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    given.unwrap_or(now.as_nanos() as u64)
}

/// The result of a reader.
enum End {
    Whole,
    Left,
    Failed(io::Error),
}

fn read(reader: &mut impl Read, image: &[u8], dice: &mut Dice) -> End {
    let (size, leaves) = ([1, 777, 70_000, 400_000][dice.below(4)], dice.below(4) == 0);
    let (mut came, mut buffer) = (0, vec![0; size]);
    // Only a few bytes are read one by one.
    let stays = if leaves { dice.below(image.len() + 1) } else { usize::MAX };
    loop {
        let room = if came > 3000 { 100_000.max(size) } else { size };
        buffer.resize(room, 0);
        match reader.read(&mut buffer) {
            Ok(0) => {
                assert_eq!(came, image.len(), "a clean end means the whole image");
                return End::Whole;
            }
            Ok(count) => {
                assert!(image.get(came..came + count) == Some(&buffer[..count]), "at {came}");
                came += count;
            }
            Err(error) => {
                assert!(came < image.len().max(1), "no error after the last byte");
                return End::Failed(error);
            }
        }
        if came >= stays {
            return End::Left;
        }
        match dice.below(30) {
            0 => std::thread::sleep(Duration::from_millis(1)),
            1 => std::thread::yield_now(),
            _ => {}
        }
    }
}

/// A reader for tokio, read from outside of its runtime.
struct Outside {
    runtime: tokio::runtime::Runtime,
    reader: image_cache::tokio::ImageReader,
}

impl Outside {
    fn open(cache: &ImageCache, expected: &Expected, throttled: &ThrottledSource) -> Outside {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build();
        let runtime = runtime.expect("a runtime can be made");
        let (cache, fetch) = (AsyncImageCache::from(cache.clone()), throttled.fetch());
        let open =
            async move || Ok(tokio_util::io::StreamReader::new(crate::reads::chunks_of(fetch()?)));
        let reader = runtime.block_on(cache.get_or_fetch("a", expected.clone(), open));
        Outside { reader: reader.expect("the id is sound"), runtime }
    }
}

impl Read for Outside {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.runtime.block_on(tokio::io::AsyncReadExt::read(&mut self.reader, buf))
    }
}

/// One image, from its first reader to its last.
fn round(temp: &TempCache, caches: &[ImageCache; 2], dice: &mut Dice, least: usize) -> Tested {
    let size = least + [0, 1, 2, 5000, 262_144, 600_001, 1_200_000][dice.below(7)];
    let image = bytes(dice.below(1000) as u64, size);
    let (throttled, fails) = (ThrottledSource::new(&image[..]), dice.below(5) == 0);
    let expected = match dice.below(2) {
        0 => Expected::nothing(),
        _ => Expected::nothing().with_md5(&md5_hex(&image))?.with_size(image.len() as u64),
    };
    let kept = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for n in 0..2 + dice.below(10) {
            let (cache, mut dice) =
                (&caches[usize::from(dice.below(4) == 0)], Dice(dice.0 ^ n as u64));
            let (throttled, image, expected, kept) = (&throttled, &image, &expected, &kept);
            let kind = dice.below(8);
            scope.spawn(move || {
                std::thread::sleep(Duration::from_micros(dice.below(3000) as u64));
                let (end, outcome) = if kind == 0 {
                    // A reader with a separate source.
                    let source = (throttled.fetch())().expect("it opens");
                    let reader = cache.caching_reader("a", source, expected.clone());
                    let mut reader = reader.expect("the id is sound");
                    (read(&mut reader, image, &mut dice), reader.outcome().cloned())
                } else if kind == 1 {
                    (read(&mut Outside::open(cache, expected, throttled), image, &mut dice), None)
                } else {
                    let reader = cache.get_or_fetch("a", expected.clone(), throttled.fetch());
                    let mut reader = reader.expect("the id is sound");
                    (read(&mut reader, image, &mut dice), reader.outcome().cloned())
                };
                let is_cached =
                    matches!(outcome, Some(Outcome::Cached(_) | Outcome::AlreadyCached));
                kept.fetch_add(usize::from(is_cached), Ordering::Relaxed);
                match end {
                    End::Whole => assert!(!fails && (kind == 1 || outcome.is_some())),
                    End::Left => {}
                    End::Failed(error) => {
                        assert!(
                            fails && error.raw_os_error() == Some(104),
                            "{error}: {:?}",
                            Error::of_io(&error)
                        );
                    }
                }
            });
        }
        // The source returns chunks, and then ends or fails.
        let mut allowed = 0;
        while allowed < image.len() {
            allowed += 1 + dice.below(300_000);
            throttled.allow(allowed.min(image.len() - usize::from(fails)));
            std::thread::sleep(Duration::from_micros(dice.below(1500) as u64));
        }
        if fails { throttled.fail(104) } else { throttled.finish() }
    });
    assert!(until(|| throttled.running() == 0), "no source is left open");
    assert!(until(|| temp.names("incomplete").is_empty()), "{:?}", temp.names("incomplete"));
    let (kept, cached) = (kept.into_inner(), caches[0].is_cached("a")?);
    assert!(cached || kept == 0, "{kept} readers were told that it is cached");
    assert!(!cached || !fails, "a failing source cannot be cached");
    if cached {
        assert!(std::fs::read(temp.path("a"))? == image);
        assert_eq!(temp.records_in_sync()["a"].checksum, Some(md5_hex(&image)));
        assert!(caches[1].delete_cached_image("a")?);
    }
    let cleaned = || caches[0].clean(None).is_ok() && temp.names("invalid").is_empty();
    assert!(until(cleaned), "a refused file is still in use");
    Ok(())
}

fn whatever_readers_do_each_gets_the_image_or_an_error(temp: &TempCache) -> Tested {
    let temp = &TempCache::in_memory(temp.driver());
    let patience = Duration::from_millis(300);
    let open = || temp.open_with(|config| config.other_writer_patience(patience));
    let (caches, seed) = ([open(), open()], seed());
    println!("FLIGHT_SEED={seed}");
    let mut dice = Dice(seed);
    for n in 0..60 {
        println!("round {n}");
        round(temp, &caches, &mut dice, 0)?;
    }
    assert!(until(|| caches
        .iter()
        .all(|cache| cache.status().is_ok_and(|s| s.cache_failures == 0))));
    Ok(())
}

fn whatever_readers_do_on_a_full_disk_each_gets_the_image_or_an_error(temp: &TempCache) -> Tested {
    let Some(mount) = Mount::tmpfs(2 * MIB as u64) else { return Ok(()) };
    let temp = &TempCache::at(temp.driver(), mount.path().join("cache"));
    let patience = Duration::from_millis(300);
    let open = || temp.open_with(|config| config.other_writer_patience(patience));
    let (caches, seed) = ([open(), open()], seed());
    println!("FLIGHT_SEED={seed}");
    let mut dice = Dice(seed);
    for n in 0..25 {
        println!("round {n}");
        round(temp, &caches, &mut dice, 2 * MIB)?;
    }
    Ok(())
}
