//! The torture tests of the real programs: kills, faults and power losses at every system call that changes anything.
//!
//! `cargo xtask torture` runs all of them; `tests/torture/` runs a sample.

mod call;
mod choice;
mod disk;
mod fault_matrix;
mod full_disk;
mod invariants;
mod log;
mod matrix;
mod operation;
mod parallel;
mod points;
mod power;
mod sandbox;
mod tracer;

pub use choice::Choice;
pub use matrix::Matrix;
pub use operation::LINKED;
pub use sandbox::Programs;

use crate::Tested;

/// A kind of torture test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The program is killed before each call that changes anything.
    Crash,
    /// Each call fails with each error that it can return; writes are also short.
    Fault,
    /// Every state that a power loss could leave on disk.
    Power,
    /// Every amount of free space on the disk.
    Disk,
}

impl Part {
    /// All kinds.
    pub const ALL: [Part; 4] = [Part::Crash, Part::Fault, Part::Power, Part::Disk];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Part::Crash => "crash",
            Part::Fault => "fault",
            Part::Power => "power",
            Part::Disk => "disk",
        }
    }

    /// Runs its tests.
    pub fn run(self, programs: &Programs, choice: &Choice) -> Tested<Matrix> {
        match self {
            Part::Crash => fault_matrix::matrix(programs, fault_matrix::Injection::Kill, choice),
            Part::Fault => fault_matrix::matrix(programs, fault_matrix::Injection::Fault, choice),
            Part::Power => power::power(programs, choice),
            Part::Disk => full_disk::full_disk(programs, choice),
        }
    }
}

/// Whether programs can be traced on this machine; if not, prints the reason.
pub fn is_possible() -> bool {
    struct Nobody;
    impl tracer::Watcher for Nobody {
        fn enter(&mut self, _: &call::Call) -> tracer::Act {
            tracer::Act::Go
        }
        fn leave(&mut self, _: &call::Call, _: i64) {}
    }
    match tracer::run(&mut std::process::Command::new("/bin/true"), &mut Nobody) {
        Ok(tracer::End::Code(0)) => true,
        other => {
            crate::skip(&format!("programs cannot be traced (ptrace) here: {other:?}"));
            false
        }
    }
}
