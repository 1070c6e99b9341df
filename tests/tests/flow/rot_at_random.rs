//! Ten thousand damages at random with each driver: not one damaged byte is served.

use image_cache::{Error, ImageCache};
use image_cache_tests::{Place, Tested, bytes, fill, with_both_drivers};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::time::{SystemTime, UNIX_EPOCH};

with_both_drivers![no_damaged_byte_is_served];

/// How many damages are tried; another number comes in this variable.
const ROUNDS: u64 = 10_000;
const VARIABLE: &str = "ROT_ROUNDS";

/// Where a run is to be repeated, its seed comes in this variable.
const SEED: &str = "ROT_SEED";

fn from_variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Numbers that look random.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(1);
        let number = bytes(self.0, 8).try_into().map(u64::from_le_bytes).expect("8 bytes");
        usize::try_from(number % end.max(1) as u64).expect("it is below a usize")
    }
}

fn no_damaged_byte_is_served(place: &Place) -> Tested {
    let place = &Place::in_memory(place.driver());
    let seed = from_variable(SEED).unwrap_or_else(|| {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_nanos() as u64)
    });
    let rounds = from_variable(VARIABLE).unwrap_or(ROUNDS);
    println!("{VARIABLE}={rounds} {SEED}={seed}");
    let mut random = Random(seed);
    let mut cache = place.open();
    let (mut flips, mut lengths, mut swaps) = (0, 0, 0);
    for round in 0..rounds {
        // Most are small; some have several blocks.
        let len = if random.below(100) == 0 { 3 << 20 } else { 3000 };
        let image = bytes(random.0, 1 + random.below(len));
        fill(&cache, "a", &image);
        if random.below(4) == 0 {
            // Its digests are in memory then.
            assert!(matches!(read(&cache, &mut random, 0..image.len()), Ok(came) if came == image));
        }
        let at = match random.below(4) {
            0 => {
                lengths += 1;
                resize(place, &mut random, image.len())?
            }
            1 => {
                swaps += 1;
                exchange(place, &mut random, &image)?
            }
            _ => {
                flips += 1;
                flip(place, &mut random, image.len())?
            }
        };
        if random.below(200) == 0 {
            drop(cache);
            cache = place.open();
        }
        // A range that the damaged byte lies in, or all of it.
        let range = match random.below(2) {
            0 => 0..image.len(),
            _ => random.below(at + 1)..at + 1 + random.below(image.len() - at),
        };
        let story = format!("round {round}, {SEED}={seed}: {} bytes, {range:?}", image.len());
        match read(&cache, &mut random, range.clone()) {
            Ok(came) => panic!("{} damaged bytes were served: {story}", came.len()),
            Err((came, error)) => {
                assert!(image[range].starts_with(&came), "damaged bytes before the error: {story}");
                let corrupt = Error::of_io(&error);
                assert!(matches!(corrupt, Some(Error::Corrupt { .. })), "{error}: {story}");
            }
        }
        assert!(!cache.is_cached("a")?, "{story}");
    }
    println!("{flips} flips, {lengths} other lengths, {swaps} swaps: none was served");
    Ok(())
}

/// Reads a range, in pieces of any size; what came, with an error where there was one.
fn read(
    cache: &ImageCache,
    random: &mut Random,
    range: std::ops::Range<usize>,
) -> Result<Vec<u8>, (Vec<u8>, std::io::Error)> {
    let mut came = Vec::new();
    let mut reader = match cache.open_range("a", range.start as u64..range.end as u64) {
        Ok(reader) => reader.expect("it is cached"),
        Err(error) => return Err((came, error.into())),
    };
    let mut buffer = vec![0; 1 + random.below(2 * range.len() + 100)];
    if random.below(3) == 0 {
        // There and back.
        let _ = reader.seek(SeekFrom::End(0)).and_then(|_| reader.rewind());
    }
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(came),
            Ok(count) => came.extend_from_slice(&buffer[..count]),
            Err(error) => return Err((came, error)),
        }
    }
}

/// Flips a bit; where it lies.
fn flip(place: &Place, random: &mut Random, len: usize) -> Tested<usize> {
    let (at, modified) = (random.below(len), fs::metadata(place.path("a"))?.modified()?);
    let file = File::options().read(true).write(true).open(place.path("a"))?;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at as u64)?;
    file.write_all_at(&[byte[0] ^ 1 << random.below(8)], at as u64)?;
    if random.below(2) == 0 {
        file.set_modified(modified)?;
    }
    Ok(at)
}

/// Makes it shorter or longer; the last byte that it had is among what is missing, or before what is new.
fn resize(place: &Place, random: &mut Random, len: usize) -> Tested<usize> {
    let modified = fs::metadata(place.path("a"))?.modified()?;
    let to = if random.below(3) == 0 { len + 1 + random.below(5000) } else { random.below(len) };
    let file = File::options().write(true).open(place.path("a"))?;
    file.set_len(to as u64)?;
    if random.below(2) == 0 {
        file.set_modified(modified)?;
    }
    Ok(len - 1)
}

/// Puts another file in its place: of the same length, mostly.
fn exchange(place: &Place, random: &mut Random, image: &[u8]) -> Tested<usize> {
    let modified = fs::metadata(place.path("a"))?.modified()?;
    let len = if random.below(4) == 0 { 1 + random.below(image.len() + 100) } else { image.len() };
    let mut other = bytes(random.0 ^ 0x55, len);
    // Where it is one byte, that one must differ.
    other[0] = !image[0];
    fs::write(place.path("queue/other"), &other)?;
    if random.below(2) == 0 {
        File::options().write(true).open(place.path("queue/other"))?.set_modified(modified)?;
    }
    fs::rename(place.path("queue/other"), place.path("a"))?;
    Ok(0)
}
