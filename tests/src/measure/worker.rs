//! One piece of work in its own process, which is killed, is one of several, or has its memory measured.

use super::memory_of;
use crate::Tested;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The work of such a process with its arguments.
pub type Work = fn(&[String]) -> Tested;

/// The variable that names the work, in the process that does it.
const WORK: &str = "IMAGE_CACHE_BENCH_WORK";

/// The last output line of such a process: its peak of resident memory in bytes.
const PEAK: &str = "peak ";

/// The work for which this process was started.
pub(super) fn asked() -> Option<String> {
    std::env::var(WORK).ok()
}

/// Does the work, and prints the peak of its memory.
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
    /// Starts the process.
    ///
    /// # Errors
    /// If the process cannot be started.
    pub fn start(name: &str, arguments: &[&str]) -> Tested<WorkerProcess> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(arguments).env(WORK, name).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let input = child.stdin.take().ok_or("its input is piped")?;
        let output = child.stdout.take().ok_or("its output is piped")?;
        Ok(WorkerProcess { child, input, output: BufReader::new(output) })
    }

    /// Runs the process to its end; returns its peak of resident memory in bytes.
    ///
    /// # Errors
    /// If it fails.
    pub fn peak(name: &str, arguments: &[&str]) -> Tested<u64> {
        let mut worker = WorkerProcess::start(name, arguments)?;
        loop {
            if let Some(peak) = worker.line()?.strip_prefix(PEAK) {
                return Ok(peak.parse()?);
            }
        }
    }

    /// The next line of its output.
    ///
    /// # Errors
    /// If it has ended.
    pub fn line(&mut self) -> Tested<String> {
        let mut line = String::new();
        match self.output.read_line(&mut line)? {
            0 => Err(format!("the process ended: {}", self.child.wait()?).into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }

    /// Sends a line, for which the process waits before it continues.
    ///
    /// # Errors
    /// If it has ended.
    pub fn go_on(&mut self) -> Tested {
        writeln!(self.input)?;
        Ok(self.input.flush()?)
    }

    /// Sends SIGKILL, and waits for its end.
    ///
    /// # Errors
    /// If its end cannot be waited for.
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
