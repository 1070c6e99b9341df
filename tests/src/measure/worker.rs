//! One piece of work in its own process: to be killed, to be one of several, or to measure its memory alone.

use super::memory_of;
use crate::Tested;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// What such a process does with its arguments.
pub type Work = fn(&[String]) -> Tested;

/// Names the work, in the process that is to do it.
const WORK: &str = "IMAGE_CACHE_BENCH_WORK";

/// The last line of such a process: its peak of resident memory, in bytes.
const PEAK: &str = "peak ";

/// The work that this process was started for.
pub(super) fn asked() -> Option<String> {
    std::env::var(WORK).ok()
}

/// Does it, and tells how much memory it took.
pub(super) fn work(name: &str, works: &[(&str, Work)]) -> Tested {
    let (_, work) =
        works.iter().find(|(known, _)| *known == name).ok_or("no work has this name")?;
    work(&std::env::args().skip(1).collect::<Vec<_>>())?;
    println!("{PEAK}{}", memory_of(std::process::id(), "VmHWM"));
    Ok(())
}

/// This program as a process that does one piece of work.
pub struct WorkerProcess {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl WorkerProcess {
    /// Starts it.
    ///
    /// # Errors
    /// Where no process can be had.
    pub fn start(name: &str, arguments: &[&str]) -> Tested<WorkerProcess> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(arguments).env(WORK, name).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let input = child.stdin.take().ok_or("its input is piped")?;
        let output = child.stdout.take().ok_or("its output is piped")?;
        Ok(WorkerProcess { child, input, output: BufReader::new(output) })
    }

    /// Runs it to its end; the most bytes that it had resident.
    ///
    /// # Errors
    /// Where it fails.
    pub fn peak(name: &str, arguments: &[&str]) -> Tested<u64> {
        let mut worker = WorkerProcess::start(name, arguments)?;
        loop {
            if let Some(peak) = worker.line()?.strip_prefix(PEAK) {
                return Ok(peak.parse()?);
            }
        }
    }

    /// The next line that it says.
    ///
    /// # Errors
    /// Where it ended instead.
    pub fn line(&mut self) -> Tested<String> {
        let mut line = String::new();
        match self.output.read_line(&mut line)? {
            0 => Err(format!("the process ended: {}", self.child.wait()?).into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }

    /// Tells it to go on, where it waits for a line.
    ///
    /// # Errors
    /// Where it has ended.
    pub fn go_on(&mut self) -> Tested {
        writeln!(self.input)?;
        Ok(self.input.flush()?)
    }

    /// SIGKILL, and waits until it is gone.
    ///
    /// # Errors
    /// Where it cannot be waited for.
    pub fn kill(mut self) -> Tested {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
