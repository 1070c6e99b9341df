//! The library of the real Glance, which works on a cache directory.

use crate::plan::{self, Said};
use image_cache_tests::{TempCache, Tested};
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The commands for Glance, documented in this file.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/glance/work.py");

/// An installed Glance.
#[derive(Debug, Clone)]
pub struct Glance {
    python: PathBuf,
}

impl Glance {
    /// The installation below `target/`, which is created if it is missing; none, with a message, if that is impossible.
    pub fn find_or_install() -> Option<Glance> {
        Some(Glance { python: image_cache_tests::glance::python()? })
    }

    /// Fills the cache as planned, and returns Glance's report on it.
    pub fn fill(&self, temp: &TempCache) -> Tested<Said> {
        fs::create_dir_all(temp.dir())?;
        let plan = plan::as_json().to_string();
        Said::from_json(&self.run(temp, &["fill", "then", "say"], &plan)?)
    }

    /// Glance's report on the directory.
    pub fn say(&self, temp: &TempCache) -> Tested<Said> {
        Said::from_json(&self.run(temp, &["say"], "")?)
    }

    /// Executes other commands; `then` separates them.
    pub fn work(&self, temp: &TempCache, command: &[&str]) -> Tested {
        self.run(temp, command, "").map(drop)
    }

    fn run(&self, temp: &TempCache, command: &[&str], input: &str) -> Tested<String> {
        let mut python = Command::new(&self.python);
        python.arg(SCRIPT).arg(temp.dir()).arg(temp.driver()).args(command);
        python.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = python.spawn()?;
        child.stdin.take().ok_or("its input is piped")?.write_all(input.as_bytes())?;
        let output = child.wait_with_output()?;
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            return Err(format!("Glance cannot {command:?}: {errors}").into());
        }
        Ok(String::from_utf8(output.stdout)?)
    }
}
