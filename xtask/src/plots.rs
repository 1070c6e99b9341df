//! `cargo xtask plots`: replays two made traces through all built-in policies, and writes the plots of the page "Choosing a
//! policy". The traces come from seeds, so the plots are the same everywhere.

use crate::command::{cargo, step};
use crate::drivers;
use anyhow::{Context, Result};
use std::env;
use std::fmt::Write;
use std::fs;
use std::process::Command;

/// The built-in drivers with different policies; xattr has the policy of sqlite.
const DRIVERS: [&str; 5] = ["sqlite", "gdsf", "s3-fifo", "sieve", "two-hit"];

const SIZES: &str = "2GB,4GB,8GB,16GB,32GB,64GB";

const REQUESTS: u64 = 20_000;
const IMAGES: u64 = 4000;

/// A trace: its file's name, its seed, one of how many requests is for an image that is requested once, and by how many images the
/// popular ones move after every thousand requests.
struct MadeTrace {
    name: &'static str,
    seed: u64,
    once_in: u64,
    drift: u64,
}

const TRACES: [MadeTrace; 2] = [
    MadeTrace { name: "steady", seed: 1, once_in: 10, drift: 0 },
    MadeTrace { name: "changing", seed: 2, once_in: 4, drift: 20 },
];

/// Writes `docs/policies-NAME.svg` for each trace, and prints the results.
pub fn run() -> Result<()> {
    drivers::toolchain()?;
    // With the same options as the tests, so that nothing is built twice.
    let build = ["build", "--workspace", "--all-features", "--locked", "--bin", "image-cache"];
    step("Build", cargo(&build))?;
    let this = env::current_exe().context("this program has no path")?;
    let place = env::temp_dir().join(format!("image-cache-plots-{}", std::process::id()));
    fs::create_dir_all(&place).with_context(|| place.display().to_string())?;
    let plotted = TRACES.iter().try_for_each(|made| {
        let trace = place.join(made.name).with_extension("csv");
        fs::write(&trace, made.csv()?).with_context(|| trace.display().to_string())?;
        // This program is beside it.
        let mut simulate = Command::new(this.with_file_name("image-cache"));
        simulate.args(["driver", "simulate"]).args(DRIVERS);
        simulate.args(["--references", "belady", "--size", SIZES, "--trace"]).arg(&trace);
        simulate.arg("--plot").arg(format!("docs/policies-{}.svg", made.name));
        step(&format!("Plot of the trace {}", made.name), simulate)
    });
    fs::remove_dir_all(&place).with_context(|| place.display().to_string())?;
    plotted
}

impl MadeTrace {
    /// Popular images, of which others become popular, and images that are requested once.
    fn csv(&self) -> Result<String> {
        let mut state = self.seed;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % below
        };
        let sizes: Vec<u64> = (0..IMAGES).map(|_| 1_000_000 + random(40_000_000)).collect();
        let mut csv = String::from("time,id,size\n");
        for at in 0..REQUESTS {
            let popular = random(IMAGES) * random(IMAGES) / IMAGES * random(IMAGES) / IMAGES;
            let (image, size) = match random(self.once_in) {
                0 => (IMAGES + at, 1_000_000 + random(40_000_000)),
                _ => {
                    let image = (popular + at / 1000 * self.drift) % IMAGES;
                    (image, sizes[image as usize])
                }
            };
            writeln!(csv, "{at},image-{image},{size}")?;
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
