//! Power loss: opens each state that each operation could leave on disk.

use super::choice::Choice;
use super::disk::{Disk, State};
use super::invariants::{Ending, violations};
use super::log::{Log, LogRecorder};
use super::matrix::Matrix;
use super::operation::Operation;
use super::parallel::{in_parallel, lock};
use super::points::Recorder;
use super::sandbox::{Programs, Sandbox};
use super::tracer::End;
use crate::Tested;
use std::sync::Mutex;

/// Replays all states, or the chosen states of each operation.
pub fn power(programs: &Programs, choice: &Choice) -> Tested<Matrix> {
    let mut matrix = Matrix::new(
        "Power loss: every moment, without each set of up to 3 steps that were not synced",
    );
    for operation in choice.operations() {
        for driver in operation.drivers {
            replay(programs, operation, driver, choice, &mut matrix)?;
        }
    }
    Ok(matrix)
}

fn replay(
    programs: &Programs,
    operation: &'static Operation,
    driver: &'static str,
    choice: &Choice,
    matrix: &mut Matrix,
) -> Tested {
    let log = record(programs, operation, driver)?;
    let states = choice.of(Disk::new(&log).states());
    let disk = Mutex::new(Disk::new(&log));
    let results = in_parallel(&states, |state| check(&disk, state, operation, driver));
    let row = format!("{}, {driver}", operation.name);
    for (state, wrong) in states.iter().zip(results) {
        let column = format!("{} lost", state.lost.len());
        matrix.add(&row, &column, &description(&log, state), &wrong);
    }
    Ok(())
}

/// The recording of a run without faults.
fn record(programs: &Programs, operation: &Operation, driver: &'static str) -> Tested<Log> {
    let template = Sandbox::prepared(operation, driver)?;
    // The first run compiles the driver.
    let sandbox = template.copy()?;
    sandbox.run(operation, programs, &mut Recorder::new(sandbox.disk()))?;
    let sandbox = template.copy()?;
    let mut recorder = LogRecorder::new(sandbox.disk(), &sandbox.beside("out"))?;
    let outcome = sandbox.run(operation, programs, &mut recorder)?;
    if outcome.end != End::Code(operation.code) || !recorder.log.unknown.is_empty() {
        let (name, unknown) = (operation.name, recorder.log.unknown);
        return Err(
            format!("{name}: {:?} {}; unknown: {unknown:?}", outcome.end, outcome.err).into()
        );
    }
    Ok(recorder.log)
}

fn check(
    disk: &Mutex<Disk<'_>>,
    state: &State,
    operation: &Operation,
    driver: &'static str,
) -> Tested<Vec<String>> {
    let sandbox = Sandbox::empty(driver)?;
    let said = {
        let mut disk = lock(disk);
        disk.write(state, sandbox.disk())?;
        disk.has_said(state.steps)
    };
    // The output of a reader contains nothing about the cache.
    let told = said && operation.reads.is_none() && operation.code == 0;
    let ending = Ending { told, warned: false, power_lost: true, faulty: false };
    Ok(violations(&sandbox, operation, ending))
}

fn description(log: &Log, state: &State) -> String {
    let brief = |n: usize| {
        let mut text = format!("{:?}", log.steps[n].done);
        if let Some((end, _)) = text.char_indices().nth(120) {
            text.truncate(end);
        }
        text
    };
    let lost: Vec<String> =
        state.lost.iter().map(|(n, loss)| format!("{loss:?} of {}", brief(*n))).collect();
    let last = state.steps.checked_sub(1).map_or_else(|| "nothing".to_owned(), brief);
    format!("after {} steps, the last of them {last}, lost {lost:?}", state.steps)
}
