//! Full disks: every operation with room for 0, 1, 2 … pages, until it has all the pages that it needs.

use super::choice::Choice;
use super::fault_matrix::{handed_out, said};
use super::invariants::{Ending, violations};
use super::matrix::Matrix;
use super::operation::Operation;
use super::parallel::in_parallel;
use super::points::Recorder;
use super::sandbox::{Programs, Sandbox};
use super::tracer::End;
use crate::{Mount, Tested};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

/// The size of a disk in bytes: more than any operation needs.
const DISK: u64 = 2 << 20;

/// The allocation unit.
const PAGE: u64 = 4096;

/// The number of pages that is enough for every operation: `added` has 66 of them.
const ENOUGH: u64 = 120;

/// The number of pages that is enough for operations that write no image.
const ENOUGH_WITHOUT_IMAGE: u64 = 30;

struct Job {
    operation: &'static Operation,
    driver: &'static str,
    template: Arc<Sandbox>,
    free: u64,
}

/// Runs all operations, or the chosen ones, on disks with increasing room; does nothing, with a message, if mounting is not
/// permitted.
pub fn full_disk(programs: &Programs, choice: &Choice) -> Tested<Matrix> {
    let mut matrix = Matrix::new("Full disk: with room for so many pages of 4 KiB");
    if Mount::tmpfs(DISK).is_none() {
        return Ok(matrix);
    }
    let mut jobs = Vec::new();
    for operation in choice.operations() {
        for driver in operation.drivers {
            let template = Arc::new(Sandbox::prepared(operation, driver)?);
            let writes = operation.arguments.contains(&"source");
            let enough = if writes { ENOUGH } else { ENOUGH_WITHOUT_IMAGE };
            jobs.extend((0..=enough).map(|free| Job {
                operation,
                driver,
                template: Arc::clone(&template),
                free,
            }));
        }
    }
    let jobs = choice.of(jobs);
    let results = in_parallel(&jobs, |job| run(programs, job));
    for (job, wrong) in jobs.iter().zip(results) {
        let row = format!("{}, {}", job.operation.name, job.driver);
        let column = format!("{:>3} to {}", job.free / 30 * 30, job.free / 30 * 30 + 29);
        matrix.add(&row, &column, &format!("with {} pages", job.free), &wrong);
    }
    Ok(matrix)
}

fn run(programs: &Programs, job: &Job) -> Tested<Vec<String>> {
    let mount = Mount::tmpfs(DISK).ok_or("nothing can be mounted any more")?;
    let sandbox = job.template.copy_to(mount.path().join("disk"))?;
    let ballast = mount.path().join("ballast");
    leave_free(mount.path(), &ballast, job.free * PAGE)?;
    let outcome = sandbox.run(job.operation, programs, &mut Recorder::new(sandbox.disk()))?;
    std::fs::remove_file(&ballast)?;
    let mut wrong = said(&sandbox, job.operation, &outcome, false);
    wrong.extend(handed_out(&sandbox, job.operation, &outcome, true));
    let said_in_small = outcome.err.to_lowercase();
    let says_why = ["no space", "full"].iter().any(|words| said_in_small.contains(words));
    if outcome.end == End::Code(1) && !says_why {
        wrong.push("it failed and did not report that there was no room".to_owned());
    }
    wrong.extend(violations(&sandbox, job.operation, Ending::of_fault(&outcome)));
    if !wrong.is_empty() {
        wrong.push(format!("it ended with {:?} and printed: {}", outcome.end, outcome.err));
    }
    Ok(wrong)
}

/// Fills a file system until this many bytes are free.
fn leave_free(disk: &Path, ballast: &Path, free: u64) -> io::Result<()> {
    let mut ballast = File::create(ballast)?;
    let now = rustix::fs::statvfs(disk)?;
    let size = (now.f_bavail * now.f_frsize).saturating_sub(free);
    ballast.write_all(&vec![1; usize::try_from(size).map_err(io::Error::other)?])
}
