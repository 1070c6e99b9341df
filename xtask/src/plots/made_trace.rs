//! Traces that are made from a seed.

use anyhow::Result;
use std::fmt::Write;

const REQUESTS: u64 = 20_000;
const IMAGES: u64 = 4000;

/// Of so many images, one comes from a slow source.
const SLOW_OF: u64 = 4;

/// Bytes per second of a slow source, and of the others.
const SLOW: u64 = 5_000_000;
const FAST: u64 = 100_000_000;

/// A trace: its name, its seed, one of how many requests is for an image that is requested once, and by how many images the
/// popular ones move after every thousand requests.
pub struct MadeTrace {
    pub name: &'static str,
    seed: u64,
    once_in: u64,
    drift: u64,
}

pub const TRACES: [MadeTrace; 2] = [
    MadeTrace { name: "steady", seed: 1, once_in: 10, drift: 0 },
    MadeTrace { name: "changing", seed: 2, once_in: 4, drift: 20 },
];

impl MadeTrace {
    /// Popular images, of which others become popular, and images that are requested once.
    pub fn csv(&self) -> Result<String> {
        let mut state = self.seed;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % below
        };
        let sizes: Vec<u64> = (0..IMAGES).map(|_| 1_000_000 + random(40_000_000)).collect();
        let mut csv = String::from("time,id,size,fetch_time\n");
        for at in 0..REQUESTS {
            let popular = random(IMAGES) * random(IMAGES) / IMAGES * random(IMAGES) / IMAGES;
            let (image, size) = match random(self.once_in) {
                0 => (IMAGES + at, 1_000_000 + random(40_000_000)),
                _ => {
                    let image = (popular + at / 1000 * self.drift) % IMAGES;
                    (image, sizes[image as usize])
                }
            };
            let rate = if image % SLOW_OF == 0 { SLOW } else { FAST };
            let micros = size * 1_000_000 / rate;
            let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
            writeln!(csv, "{at},image-{image},{size},{seconds}.{micros:06}")?;
        }
        Ok(csv)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_the_same_each_time_and_has_images_that_are_requested_once() -> Result<()> {
        let csv = TRACES[0].csv()?;
        assert_eq!(csv, TRACES[0].csv()?);
        assert_eq!(csv.lines().count() as u64, REQUESTS + 1);
        let once = csv.lines().filter(|line| line.contains(",image-1"));
        assert!(once.count() > 100);
        Ok(())
    }
}
