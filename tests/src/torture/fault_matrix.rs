//! The crash matrix and the fault matrix: kills, fails and shortens every call of every operation, one run for each.

use super::call::Kind;
use super::choice::Choice;
use super::invariants::{Ending, violations};
use super::matrix::Matrix;
use super::operation::{Operation, Program, image};
use super::parallel::in_parallel;
use super::points::{Injector, Point, Recorder};
use super::sandbox::{Outcome, Programs, Sandbox};
use super::tracer::{Act, End};
use crate::Tested;
use nix::errno::Errno;
use nix::sys::signal::Signal;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The maximum time of an operation after one failed call.
const LONGEST: Duration = Duration::from_secs(15);

/// The injection at the points of a matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Injection {
    /// The process is killed before the call.
    Kill,
    /// The call fails, or is partially executed.
    Fault,
}

/// One run.
struct Job {
    operation: &'static Operation,
    driver: &'static str,
    template: Arc<Sandbox>,
    point: Point,
    act: Act,
}

/// Runs the whole matrix, or the chosen runs.
pub fn matrix(programs: &Programs, injection: Injection, choice: &Choice) -> Tested<Matrix> {
    let mut jobs = Vec::new();
    for operation in choice.operations() {
        for driver in operation.drivers {
            jobs.extend(jobs_of(programs, operation, driver, injection)?);
        }
    }
    let mut matrix = Matrix::new(match injection {
        Injection::Kill => "Crash matrix: killed before each call that changes anything",
        Injection::Fault => {
            "Fault matrix: each call fails with each error that it can return, writes are also short"
        }
    });
    let jobs = choice.of(jobs);
    let results = in_parallel(&jobs, |job| run(programs, job));
    for (job, wrong) in jobs.iter().zip(results) {
        let row = format!("{}, {}", job.operation.name, job.driver);
        let what = format!("{} at {}", name(job.act), job.point);
        matrix.add(&row, job.point.name, &what, &wrong);
    }
    Ok(matrix)
}

/// A description of the injection.
fn name(act: Act) -> String {
    match act {
        Act::Go => "nothing".to_owned(),
        Act::Kill => "killed".to_owned(),
        Act::Fail(errno) => format!("{:?}", Errno::from_raw(errno)),
        Act::Shorten => "cut in half".to_owned(),
    }
}

/// Runs the operation once without faults, and returns a run for each of its points.
fn jobs_of(
    programs: &Programs,
    operation: &'static Operation,
    driver: &'static str,
    injection: Injection,
) -> Tested<Vec<Job>> {
    let template = Arc::new(Sandbox::prepared(operation, driver)?);
    // The first run compiles the driver.
    undisturbed(programs, operation, &template)?;
    let points = undisturbed(programs, operation, &template)?;
    let mut jobs = Vec::new();
    for (point, kind, _) in points {
        let acts = match (injection, kind) {
            (Injection::Kill, Kind::Changes) => vec![Act::Kill],
            (Injection::Kill, _) => Vec::new(),
            (Injection::Fault, _) => faults(point.name),
        };
        jobs.extend(acts.into_iter().map(|act| {
            let (template, point) = (Arc::clone(&template), point.clone());
            Job { operation, driver, template, point, act }
        }));
    }
    Ok(jobs)
}

/// The points of a run without faults.
fn undisturbed(
    programs: &Programs,
    operation: &Operation,
    template: &Sandbox,
) -> Tested<Vec<(Point, Kind, String)>> {
    let sandbox = template.copy()?;
    let mut recorder = Recorder::new(sandbox.disk());
    let outcome = sandbox.run(operation, programs, &mut recorder)?;
    let ending = Ending {
        told: outcome.end == End::Code(0),
        warned: !outcome.err.is_empty(),
        power_lost: false,
        faulty: false,
    };
    let mut wrong = violations(&sandbox, operation, ending);
    if outcome.end != End::Code(operation.code) {
        wrong.push(format!("it ended with {:?}", outcome.end));
    }
    match wrong.is_empty() {
        true => Ok(recorder.points),
        false => Err(format!(
            "{}, undisturbed: {}; it said: {}",
            operation.name,
            wrong.join("; "),
            outcome.err
        )
        .into()),
    }
}

/// The errors that a call can return on the supported file systems.
fn faults(name: &str) -> Vec<Act> {
    use Errno::{EACCES, EINTR, EIO, EMFILE, ENOSPC, EPERM};
    let errors: &[Errno] = match name {
        "open to write" => &[EIO, ENOSPC, EMFILE, EINTR, EACCES],
        "open" => &[EIO, EMFILE, EACCES],
        "read" => &[EIO, EINTR],
        "write" | "pwrite" | "fsync" | "fdatasync" | "ftruncate" | "fallocate" => {
            &[EIO, ENOSPC, EINTR]
        }
        "rename" | "mkdir" | "link" | "symlink" | "setxattr" => &[EIO, ENOSPC, EACCES],
        "unlink" | "removexattr" | "utimensat" => &[EIO, EACCES],
        "chmod" | "chown" => &[EIO, EPERM],
        "flock" => &[EIO, EINTR],
        "fcntl lock" => &[EIO, EINTR, EACCES],
        // The kernel releases its resources.
        "fcntl unlock" | "flock unlock" => &[],
        _ => &[EIO],
    };
    let mut acts: Vec<Act> = errors.iter().map(|errno| Act::Fail(*errno as i32)).collect();
    if matches!(name, "write" | "pwrite") {
        acts.push(Act::Shorten);
    }
    acts
}

/// How often a run is repeated in which the program did not come to the point: which of two threads does a piece of work depends
/// on the scheduler.
const ATTEMPTS: usize = 5;

fn run(programs: &Programs, job: &Job) -> Tested<Vec<String>> {
    for _ in 0..ATTEMPTS {
        if let Some(wrong) = run_once(programs, job)? {
            return Ok(wrong);
        }
    }
    Ok(vec![format!("the point was not reached in {ATTEMPTS} runs")])
}

/// What went wrong; `None` if the point was not reached.
fn run_once(programs: &Programs, job: &Job) -> Tested<Option<Vec<String>>> {
    let sandbox = job.template.copy()?;
    let mut injector = Injector::new(sandbox.disk(), &job.point, job.act);
    let start = Instant::now();
    let outcome = sandbox.run(job.operation, programs, &mut injector)?;
    let mut wrong = Vec::new();
    if start.elapsed() > LONGEST {
        wrong.push(format!("it took {:.0?}", start.elapsed()));
    }
    let Some(path) = injector.injected_at else { return Ok(None) };
    let ending = match job.act {
        Act::Kill => {
            if outcome.end != End::Signal(Signal::SIGKILL) {
                wrong.push(format!("it was killed, and ended with {:?}", outcome.end));
            }
            let told = job.operation.reads.is_none() && !outcome.out.is_empty();
            Ending { told, warned: false, power_lost: false, faulty: false }
        }
        _ => {
            // It cannot print the reason if the failed call is the one that prints.
            let is_mute = Path::new(&path) == sandbox.beside("err");
            wrong.extend(said(&sandbox, job.operation, &outcome, is_mute));
            Ending::of_fault(&outcome)
        }
    };
    // A write may be the reader's write to its output. If the disk does not return the bytes, an error is correct.
    let is_cache_s = !["write", "read"].contains(&job.point.name) && job.act != Act::Kill;
    wrong.extend(handed_out(&sandbox, job.operation, &outcome, is_cache_s));
    wrong.extend(violations(&sandbox, job.operation, ending));
    if job.operation.is_cold {
        // The next start finds a partial file of the compiled driver.
        let again = sandbox.run(job.operation, programs, &mut Recorder::new(sandbox.disk()))?;
        if again.end != End::Code(0) || !again.err.is_empty() {
            wrong.push(format!("the next start ended with {:?}: {}", again.end, again.err));
        }
    }
    if !wrong.is_empty() {
        let said = outcome.err.trim().replace('\n', " | ");
        wrong.push(format!(
            "the call was for {path}; the program ended with {:?} and printed: {said}",
            outcome.end
        ));
    }
    Ok(Some(wrong))
}

/// The required end of a program in which a call failed: by itself, without a panic, and with a reason if the program failed.
pub(super) fn said(
    sandbox: &Sandbox,
    operation: &Operation,
    outcome: &Outcome,
    is_mute: bool,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let End::Code(code) = outcome.end else {
        return vec![format!("it ended with {:?}", outcome.end)];
    };
    if outcome.err.contains("panicked") {
        wrong.push("it panicked".to_owned());
    }
    if ![0, 1, operation.code].contains(&code) {
        wrong.push(format!("it ended with {code}"));
    }
    if code == 0 && operation.code != 0 {
        wrong.push("it accepted a wrong image".to_owned());
    }
    if code != 0 && !outcome.err.contains("error: ") && !is_mute {
        wrong.push(format!("it ended with {code} and printed no reason"));
    }
    let known = ["disk", "source", "out", "err", "output", "compiled"];
    let beside = sandbox.names_beside().unwrap_or_default();
    let leaked = beside.iter().filter(|name| !known.contains(&name.as_str()));
    wrong.extend(leaked.map(|name| format!("{name} is leaked")));
    wrong
}

/// A reader gets every byte, or an error after a correct prefix; an output file is complete or does not exist. A fault of the
/// cache does not affect readers of an open cache.
pub(super) fn handed_out(
    sandbox: &Sandbox,
    operation: &Operation,
    outcome: &Outcome,
    is_cache_s: bool,
) -> Vec<String> {
    let Some(image) = operation.reads.and_then(image) else { return Vec::new() };
    let mut wrong = Vec::new();
    let done = outcome.end == End::Code(0);
    let is_file = operation.arguments.contains(&"output");
    let written = if is_file {
        std::fs::read(sandbox.beside("output")).unwrap_or_default()
    } else {
        outcome.out.clone()
    };
    if !image.starts_with(&written) || (is_file && !written.is_empty() && written != image) {
        wrong.push(format!("it returned {} wrong bytes", written.len()));
    }
    if done && written != image {
        let (came, all) = (written.len(), image.len());
        wrong.push(format!("it returned {came} of {all} bytes without an error"));
    }
    let is_open = operation.program == Program::ReadThrough && outcome.err.starts_with("open");
    if is_cache_s && !done && (is_open || written == image) {
        wrong.push("the cache's fault reached the reader".to_owned());
    }
    wrong
}
