//! `driver simulate`: replays a trace of requests through drivers and reference policies, and compares them.

mod args;
mod report;

use super::tried_driver::TriedDriver;
use crate::command_context::CommandContext;
use crate::error::CliError;
use crate::exit::{Code, print_message};
use crate::output_file::OutputFile;
use crate::progress;
use anyhow::Context;
pub use args::SimulateArgs;
use image_cache::Config;
use image_cache_simulate::{
    ComponentPolicy, Outcome, Policy, Reference, Trace, TraceError, plot, simulate as replay,
};
use report::Result as SimulationResult;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

/// A policy to simulate.
enum Candidate {
    Driver { name: String, config: Box<Config> },
    Reference(Reference),
}

impl Candidate {
    /// Its name in results.
    fn label(&self) -> String {
        match self {
            Candidate::Driver { name, .. } => name.clone(),
            Candidate::Reference(reference) => reference.label(),
        }
    }

    fn replay(&self, trace: &Trace, size: u64) -> anyhow::Result<Outcome> {
        let (mut component, mut reference);
        let policy: &mut dyn Policy = match self {
            Candidate::Driver { config, .. } => {
                component = ComponentPolicy::load(&config.driver, config, trace)?;
                &mut component
            }
            Candidate::Reference(name) => {
                reference = name.policy(trace, size);
                &mut *reference
            }
        };
        replay(trace, policy, size).with_context(|| format!("driver {}", self.label()))
    }
}

pub fn simulate(context: &CommandContext, args: &SimulateArgs) -> anyhow::Result<Code> {
    let candidates = candidates(&context.config, args)?;
    // Created first, so that a wrong path does not cost a simulation.
    let mut plot_file = args.plot.as_deref().map(create).transpose()?;
    let trace = read(args)?;
    for note in &trace.notes {
        print_message("note", note);
    }
    let bar = progress::steps((candidates.len() * args.sizes.len()) as u64);
    let mut results = Vec::new();
    for candidate in &candidates {
        let is_reference = matches!(candidate, Candidate::Reference(_));
        for size in &args.sizes {
            bar.set_message(candidate.label());
            let outcome = candidate.replay(&trace, *size)?;
            results.push(SimulationResult::new(candidate.label(), is_reference, *size, outcome));
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    if let Some((file, path)) = plot_file.take().zip(args.plot.as_deref()) {
        write_plot(file, &trace, &results)
            .with_context(|| format!("cannot write the plot {}", path.display()))?;
    }
    context.format.print(&results, |results| report::table(results))?;
    Ok(Code::Done)
}

/// The drivers, then the references.
fn candidates(config: &Config, args: &SimulateArgs) -> anyhow::Result<Vec<Candidate>> {
    if args.drivers.len() != 1 && !args.options.is_empty() {
        let words = "--option is for one driver: name one, or set the options in [drivers.NAME]";
        return Err(CliError::Usage(words.to_owned()).into());
    }
    let mut candidates = Vec::new();
    for name in &args.drivers {
        let driver = TriedDriver::new(config, name, &[], &args.options, "this simulation")?;
        driver.report_grants();
        candidates.push(Candidate::Driver { name: name.clone(), config: driver.config.into() });
    }
    candidates.extend(args.references().into_iter().map(Candidate::Reference));
    Ok(candidates)
}

fn create(path: &Path) -> anyhow::Result<OutputFile> {
    OutputFile::create(path).with_context(|| format!("cannot write the plot {}", path.display()))
}

/// Reads the trace, from standard input if its name is `-`.
fn read(args: &SimulateArgs) -> anyhow::Result<Trace> {
    let path = &*args.trace;
    let bar = progress::waiting("reading the trace");
    let input: Box<dyn Read> = match path.as_os_str() == "-" {
        true => Box::new(io::stdin().lock()),
        false => Box::new(
            File::open(path)
                .with_context(|| format!("cannot open the trace {}", path.display()))?,
        ),
    };
    let trace = Trace::read(input, &args.trace_options());
    bar.finish_and_clear();
    trace.map_err(|error: TraceError| {
        anyhow::Error::from(error).context(format!("{}", path.display()))
    })
}

fn write_plot(
    mut file: OutputFile,
    trace: &Trace,
    results: &[SimulationResult],
) -> anyhow::Result<()> {
    let title = format!(
        "{} requests of {} images: misses per request",
        trace.requests.len(),
        trace.images.len()
    );
    let svg = plot(&title, &report::curves(results)).map_err(|e| anyhow::anyhow!("{e}"))?;
    file.write_all(svg.as_bytes())?;
    Ok(file.commit()?)
}
