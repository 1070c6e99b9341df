//! Random damage: flipped bits, and truncated, extended or exchanged files; no damaged byte may be served.

use crate::{TempCache, Tested, bytes, fill};
use image_cache::{Error, ImageCache};
use std::fmt;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

/// Most images have fewer bytes than this; one of a hundred may have several blocks.
const SMALL: usize = 3000;
const LARGE: usize = 3 << 20;

/// How often each kind of damage was tested; none was served.
#[derive(Debug, Default)]
pub struct Damages {
    flips: u64,
    lengths: u64,
    swaps: u64,
}

impl Damages {
    /// The total number.
    pub fn all(&self) -> u64 {
        self.flips + self.lengths + self.swaps
    }
}

impl fmt::Display for Damages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Damages { flips, lengths, swaps } = self;
        write!(f, "{flips} flips, {lengths} other lengths, {swaps} swaps: none was served")
    }
}

/// Damages an image `rounds` times and reads the damaged bytes. Returns an error if a damaged byte was served, or if the damage
/// was not detected.
pub fn corrupt(temp: &TempCache, rounds: u64, seed: u64) -> Tested<Damages> {
    let mut random = Random(seed);
    let mut cache = temp.open();
    let mut damages = Damages::default();
    for round in 0..rounds {
        let len = if random.below(100) == 0 { LARGE } else { SMALL };
        let image = bytes(random.0, 1 + random.below(len));
        fill(&cache, "a", &image);
        if random.below(4) == 0 {
            // This loads its digests into memory.
            let came = read(&cache, &mut random, 0..image.len());
            if !matches!(came, Ok(came) if came == image) {
                return Err(
                    format!("a whole image was not served: round {round}, seed {seed}").into()
                );
            }
        }
        let at = damages.damage(temp, &mut random, &image)?;
        if random.below(200) == 0 {
            drop(cache);
            cache = temp.open();
        }
        // A range that contains the damaged byte, or the whole image.
        let range = match random.below(2) {
            0 => 0..image.len(),
            _ => random.below(at + 1)..at + 1 + random.below(image.len() - at),
        };
        let came = read(&cache, &mut random, range.clone());
        let is_gone = !cache.is_cached("a")?;
        if let Some(wrong) =
            wrong(&image[range.clone()], came).or((!is_gone).then(|| "it is still cached".into()))
        {
            let len = image.len();
            return Err(
                format!("{wrong}: round {round}, seed {seed}, {len} bytes, {range:?}").into()
            );
        }
    }
    Ok(damages)
}

/// The fault in the result of reading a damaged range.
fn wrong(range: &[u8], came: Result<Vec<u8>, (Vec<u8>, std::io::Error)>) -> Option<String> {
    match came {
        Ok(came) => Some(format!("{} damaged bytes were served", came.len())),
        Err((came, _)) if !range.starts_with(&came) => {
            Some("damaged bytes were read before the error".into())
        }
        Err((_, error)) if !matches!(Error::of_io(&error), Some(Error::Corrupt { .. })) => {
            Some(format!("it failed for another reason ({error})"))
        }
        Err(_) => None,
    }
}

impl Damages {
    /// Damages the image. Returns the position of a byte that is damaged or missing, or before which bytes were added.
    fn damage(&mut self, temp: &TempCache, random: &mut Random, image: &[u8]) -> Tested<usize> {
        match random.below(4) {
            0 => {
                self.lengths += 1;
                resize(temp, random, image.len())
            }
            1 => {
                self.swaps += 1;
                exchange(temp, random, image)
            }
            _ => {
                self.flips += 1;
                flip(temp, random, image.len())
            }
        }
    }
}

/// Pseudo-random numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(1);
        let number = bytes(self.0, 8).try_into().map(u64::from_le_bytes).expect("8 bytes");
        usize::try_from(number % end.max(1) as u64).expect("it is below a usize")
    }
}

/// Reads a range in chunks of any size; returns the bytes, and an error if there was one.
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
        // Seeks away and back.
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

/// Flips a bit; returns its position.
fn flip(temp: &TempCache, random: &mut Random, len: usize) -> Tested<usize> {
    let (at, modified) = (random.below(len), fs::metadata(temp.path("a"))?.modified()?);
    let file = File::options().read(true).write(true).open(temp.path("a"))?;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at as u64)?;
    file.write_all_at(&[byte[0] ^ 1 << random.below(8)], at as u64)?;
    if random.below(2) == 0 {
        file.set_modified(modified)?;
    }
    Ok(at)
}

/// Makes the file shorter or longer; returns the last byte that it had, which is missing, or after which bytes were added.
fn resize(temp: &TempCache, random: &mut Random, len: usize) -> Tested<usize> {
    let modified = fs::metadata(temp.path("a"))?.modified()?;
    let to = if random.below(3) == 0 { len + 1 + random.below(5000) } else { random.below(len) };
    let file = File::options().write(true).open(temp.path("a"))?;
    file.set_len(to as u64)?;
    if random.below(2) == 0 {
        file.set_modified(modified)?;
    }
    Ok(len - 1)
}

/// Replaces the file with another file, which mostly has the same length.
fn exchange(temp: &TempCache, random: &mut Random, image: &[u8]) -> Tested<usize> {
    let modified = fs::metadata(temp.path("a"))?.modified()?;
    let len = if random.below(4) == 0 { 1 + random.below(image.len() + 100) } else { image.len() };
    let mut other = bytes(random.0 ^ 0x55, len);
    // If the file has one byte, that byte must differ.
    other[0] = !image[0];
    fs::write(temp.path("queue/other"), &other)?;
    if random.below(2) == 0 {
        File::options().write(true).open(temp.path("queue/other"))?.set_modified(modified)?;
    }
    fs::rename(temp.path("queue/other"), temp.path("a"))?;
    Ok(0)
}
