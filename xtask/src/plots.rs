//! `cargo xtask plots`: replays two made traces through the policies, and writes the plots and the table of the page "Choosing a
//! policy". The traces come from seeds, so the results are the same everywhere.

mod candidates;
mod made_trace;
mod table;

use crate::command::{cargo, step, words};
use crate::drivers;
use anyhow::{Context, Result, bail};
use candidates::{Candidate, GROUPS};
use image_cache_guest_toolchain::Workspace;
use made_trace::{MadeTrace, TRACES};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use table::{Results, SIZES_OF_TABLE};

/// The sizes of the plots; they contain those of the table.
const SIZES: [&str; 6] = ["2GB", "4GB", "8GB", "16GB", "32GB", "64GB"];

/// Writes `docs/policies-NAME.svg` for each trace and group of policies, and the table in the page; with `check` it simulates
/// only the sizes of the table, and returns an error if the table differs.
pub fn run(check: bool) -> Result<()> {
    let toolchain = drivers::toolchain()?;
    // With the same options as the tests, so that nothing is built twice.
    let build = ["build", "--workspace", "--all-features", "--locked", "--bin", "image-cache"];
    step("Build", cargo(&build))?;
    let root = Workspace::of_this_package()?.root;
    let place = tempfile::tempdir().context("making a directory for the traces")?;
    let config = candidates::prepare(&toolchain, place.path())?;
    let mut results = Results::default();
    for made in &TRACES {
        let trace = place.path().join(made.name).with_extension("csv");
        fs::write(&trace, made.csv()?).with_context(|| trace.display().to_string())?;
        let mut simulation = Simulation { made, config: &config, trace: &trace, plot: None };
        if check {
            results.add(made.name, &simulation.run(&candidates::all(), &SIZES_OF_TABLE)?)?;
            continue;
        }
        for (suffix, group) in GROUPS {
            simulation.plot = Some(root.join(format!("docs/policies-{}{suffix}.svg", made.name)));
            results.add(made.name, &simulation.run(group, &SIZES)?)?;
        }
    }
    let page = root.join("docs/choosing-a-policy.md");
    table::write(&page, &results.markdown()?, check)
}

/// One run of `image-cache driver simulate`.
struct Simulation<'a> {
    made: &'a MadeTrace,
    config: &'a Path,
    trace: &'a Path,
    plot: Option<PathBuf>,
}

impl Simulation<'_> {
    /// The results as JSON.
    fn run(&self, candidates: &[Candidate], sizes: &[&str]) -> Result<Vec<u8>> {
        let this = env::current_exe().context("this program has no path")?;
        // This program is beside it.
        let mut simulate = Command::new(this.with_file_name("image-cache"));
        simulate.arg("--config").arg(self.config).args(["--format", "json", "driver", "simulate"]);
        simulate.args(candidates.iter().map(|candidate| candidate.name));
        simulate.args(["--references", "belady", "--size", &sizes.join(",")]);
        simulate.arg("--trace").arg(self.trace);
        if let Some(plot) = &self.plot {
            simulate.arg("--plot").arg(plot);
        }
        println!("\n=== Simulation of the trace {}: {}", self.made.name, words(&simulate));
        let output = simulate.stderr(Stdio::inherit()).output().context("simulating")?;
        if !output.status.success() {
            bail!("the simulation of the trace {} failed ({})", self.made.name, output.status);
        }
        Ok(output.stdout)
    }
}
