//! The cache of the real Glance as a peer: a process that executes commands, and reports the time of each.

use crate::Tested;
use crate::glance::{fixture, installed};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Its drivers; the database of the last one is a file here.
pub const DRIVERS: [&str; 3] = ["sqlite", "xattr", "centralized_db"];

/// The drivers that store their records like our driver of this name.
pub fn drivers_like(driver: &str) -> &'static [&'static str] {
    if driver == "sqlite" { &["sqlite", "centralized_db"] } else { &["xattr"] }
}

/// A Glance process that works on its own directory.
pub struct Glance {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// The result of opening its cache.
    pub opened: Told,
}

/// The result of a command.
#[derive(Debug, Clone, Copy)]
pub struct Told {
    /// Its time.
    pub seconds: f64,
    /// The number of bytes, if it transferred any.
    pub bytes: u64,
    /// The number of items.
    pub count: u64,
    /// The peak of the process's resident memory in bytes.
    pub peak: u64,
}

impl Told {
    /// Microseconds for each item.
    pub fn micros_each(&self) -> f64 {
        self.seconds * 1e6 / self.count.max(1) as f64
    }

    /// The total time in milliseconds.
    pub fn millis(&self) -> f64 {
        self.seconds * 1e3
    }

    /// The speed in 10^6 bytes per second.
    pub fn mb_per_second(&self) -> f64 {
        self.bytes as f64 / self.seconds / 1e6
    }
}

impl Glance {
    /// Starts it on a directory, which is created if it does not exist; installs Glance first if it is missing.
    ///
    /// # Errors
    /// If it cannot be installed or cannot open its cache with this driver.
    pub fn start(directory: &Path, driver: &str) -> Tested<Glance> {
        fs::create_dir_all(directory)?;
        let mut command = Command::new(installed()?.join("bin/python"));
        command.arg(fixture("measure.py")).arg(directory).arg(driver);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().ok_or("its output is piped")?);
        let opened = Told { seconds: 0.0, bytes: 0, count: 0, peak: 0 };
        let mut glance = Glance { child, input, output, opened };
        glance.opened = glance.answer()?;
        Ok(glance)
    }

    /// Executes a command; `tests/fixtures/glance/measure.py` lists the commands.
    ///
    /// # Errors
    /// If the command fails.
    pub fn ask(&mut self, command: &str) -> Tested<Told> {
        self.tell(command)?;
        self.answer()
    }

    /// Starts a command without waiting for its end.
    ///
    /// # Errors
    /// If the process has ended.
    pub fn tell(&mut self, command: &str) -> Tested {
        let input = self.input.as_mut().ok_or("its input is piped")?;
        writeln!(input, "{command}")?;
        Ok(input.flush()?)
    }

    /// Waits for the result of a command.
    ///
    /// # Errors
    /// If the command fails.
    pub fn answer(&mut self) -> Tested<Told> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        let told: serde_json::Value =
            serde_json::from_str(&line).map_err(|_| format!("Glance ended early: {line:?}"))?;
        if let Some(error) = told["error"].as_str() {
            return Err(error.to_owned().into());
        }
        let number = |name: &str| told[name].as_u64().unwrap_or(0);
        let seconds = told["seconds"].as_f64().unwrap_or(0.0);
        let (bytes, count, peak) = (number("bytes"), number("count"), number("peak"));
        Ok(Told { seconds, bytes, count, peak })
    }
}

impl Drop for Glance {
    fn drop(&mut self) {
        // It ends when its input ends.
        self.input = None;
        let _ = self.child.wait();
    }
}
