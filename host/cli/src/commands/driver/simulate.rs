//! `driver simulate`: replays a trace of requests through drivers and reference policies, and compares them.

mod args;
mod report;

use super::tried_driver::TriedDriver;
use crate::command_context::CommandContext;
use crate::error::CliError;
use crate::exit::{Code, print_message};
use crate::output::count;
use crate::output_file::OutputFile;
use crate::progress;
use anyhow::Context;
pub use args::SimulateArgs;
use image_cache::Config;
use image_cache_simulate::{
    ComponentPolicy, Outcome, Policy, Reference, Trace, TraceFormat, plot, simulate as replay,
};
use report::SimulationResult;
use std::collections::BTreeSet;
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
                component = ComponentPolicy::load(&config.driver, config, trace, size)?;
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
    let plot_file = args.plot.as_deref().map(create).transpose()?;
    let trace = read(args)?;
    let (results, failures) = replay_all(&candidates, &trace, &args.sizes());
    context.format.print(&results, |results| report::table(results, has_several_sizes(&trace)))?;
    if let Some((file, path)) = plot_file.zip(args.plot.as_deref()) {
        let written = if results.is_empty() { Ok(()) } else { write_plot(file, &trace, &results) };
        written.with_context(|| format!("cannot write the plot {}", path.display()))?;
    }
    for failure in &failures {
        print_message("error", failure);
    }
    Ok(if failures.is_empty() { Code::Done } else { Code::Failed })
}

/// The results, and the failures of drivers: a driver that failed with one size is not tried with the next.
fn replay_all(
    candidates: &[Candidate],
    trace: &Trace,
    sizes: &[u64],
) -> (Vec<SimulationResult>, Vec<String>) {
    let (mut results, mut failures) = (Vec::new(), Vec::new());
    let bar = progress::steps((candidates.len() * sizes.len()) as u64);
    for candidate in candidates {
        let is_reference = matches!(candidate, Candidate::Reference(_));
        for size in sizes {
            bar.set_message(candidate.label());
            let outcome = match candidate.replay(trace, *size) {
                Ok(outcome) => outcome,
                Err(error) => {
                    failures.push(format!("{error:#}"));
                    break;
                }
            };
            results.push(SimulationResult::new(candidate.label(), is_reference, *size, outcome));
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    (results, failures)
}

fn has_several_sizes(trace: &Trace) -> bool {
    trace.requests.windows(2).any(|pair| pair[0].size != pair[1].size)
}

/// The drivers, then the references.
fn candidates(config: &Config, args: &SimulateArgs) -> anyhow::Result<Vec<Candidate>> {
    if args.drivers.len() != 1 && !args.options.is_empty() {
        let words = "--option is for one driver: name one, or set the options in [drivers.NAME]";
        return Err(CliError::Usage(words.to_owned()).into());
    }
    let mut candidates = Vec::new();
    let mut seen = BTreeSet::new();
    for name in args.drivers.iter().filter(|name| seen.insert(*name)) {
        let driver = TriedDriver::new(config, name, &[], &args.options, "this simulation")?;
        driver.report_grants();
        candidates.push(Candidate::Driver { name: name.clone(), config: driver.config.into() });
    }
    candidates.extend(args.references().into_iter().map(Candidate::Reference));
    Ok(candidates)
}

fn create(path: &Path) -> anyhow::Result<OutputFile> {
    if path.as_os_str() == "-" {
        let words = "standard output has the results: give --plot the name of a file";
        return Err(CliError::Usage(words.to_owned()).into());
    }
    OutputFile::create(path).with_context(|| format!("cannot write the plot {}", path.display()))
}

/// Reads the trace, from standard input if its name is `-`, and says how it was read.
fn read(args: &SimulateArgs) -> anyhow::Result<Trace> {
    let path = &*args.trace;
    let (name, input): (String, Box<dyn Read>) = match path.as_os_str() == "-" {
        true => ("standard input".to_owned(), Box::new(io::stdin().lock())),
        false => {
            let name = path.display().to_string();
            let file = File::open(path).with_context(|| format!("cannot open the trace {name}"))?;
            (name, Box::new(file))
        }
    };
    let bar = progress::waiting("reading the trace");
    let trace = Trace::read(input, &args.trace_options());
    bar.finish_and_clear();
    let trace = trace.with_context(|| name.clone())?;
    let (requests, images) = (trace.requests.len() as u64, trace.images.len() as u64);
    let format = trace.format.map_or("", TraceFormat::name);
    let read = format!(
        "{name} is read as {format}: {} of {}",
        count(requests, "request"),
        count(images, "image")
    );
    print_message("note", &read);
    trace.notes.iter().for_each(|note| print_message("note", note));
    Ok(trace)
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
