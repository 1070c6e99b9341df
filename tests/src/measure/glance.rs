//! The real Glance's cache as a peer: a process that does pieces of work when it is told to, and says how long each took.

use crate::Tested;
use crate::glance::{fixture, installed};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// What it can keep its records in; the last one's database is a file here.
pub const DRIVERS: [&str; 3] = ["sqlite", "xattr", "centralized_db"];

/// Those that keep their records as our driver of this name does.
pub fn drivers_like(driver: &str) -> &'static [&'static str] {
    if driver == "sqlite" { &["sqlite", "centralized_db"] } else { &["xattr"] }
}

/// A Glance at work on a directory of its own.
pub struct Glance {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// What opening its cache took.
    pub opened: Told,
}

/// What it tells of a piece of work.
#[derive(Debug, Clone, Copy)]
pub struct Told {
    /// How long it took.
    pub seconds: f64,
    /// Bytes that it was about, where it was about bytes.
    pub bytes: u64,
    /// What it was about, counted.
    pub count: u64,
    /// The most bytes that the process ever had resident.
    pub peak: u64,
}

impl Told {
    /// Microseconds for each of what was counted.
    pub fn micros_each(&self) -> f64 {
        self.seconds * 1e6 / self.count.max(1) as f64
    }

    /// Milliseconds of all.
    pub fn millis(&self) -> f64 {
        self.seconds * 1e3
    }

    /// Bytes per second, in 10^6.
    pub fn mb_per_second(&self) -> f64 {
        self.bytes as f64 / self.seconds / 1e6
    }
}

impl Glance {
    /// Starts it on a directory, which is made where it is not there; installs it first where it is missing.
    ///
    /// # Errors
    /// Where it cannot be installed or cannot open its cache with this driver.
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

    /// Has it do something; `tests/fixtures/glance/measure.py` says what it can do.
    ///
    /// # Errors
    /// What it fails with.
    pub fn ask(&mut self, command: &str) -> Tested<Told> {
        self.tell(command)?;
        self.answer()
    }

    /// Tells it to do something without waiting for the end of it.
    ///
    /// # Errors
    /// Where it has ended.
    pub fn tell(&mut self, command: &str) -> Tested {
        let input = self.input.as_mut().ok_or("its input is piped")?;
        writeln!(input, "{command}")?;
        Ok(input.flush()?)
    }

    /// What came of it.
    ///
    /// # Errors
    /// What it fails with.
    pub fn answer(&mut self) -> Tested<Told> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        let told: serde_json::Value =
            serde_json::from_str(&line).map_err(|_| format!("Glance broke off: {line:?}"))?;
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
        // It ends where its input does.
        self.input = None;
        let _ = self.child.wait();
    }
}
