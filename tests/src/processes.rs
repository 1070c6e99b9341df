//! Many processes that run all operations concurrently on one directory, and the conditions that must be true afterwards.
//!
//! ```no_run
//! use image_cache_tests::{TempCache, processes};
//! // This program was started as one of the processes.
//! if processes::is_one() {
//!     processes::one().unwrap();
//! } else {
//!     let run = processes::Run { seconds: 60, seed: 1, arguments: &[] };
//!     println!("{}", run.on(&TempCache::new("sqlite")).unwrap());
//! }
//! ```

mod images;
mod one;

pub use one::{is_one, one};

use crate::{TempCache, Tested, fill, listed, md5_hex};
use images::{STEADY, image};
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::Read;
use std::process::{Child, Command, Stdio};

/// The number of processes.
const PROCESSES: usize = 8;

/// One run.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// The running time of the processes.
    pub seconds: u64,
    /// The seed of their operations, as far as these do not depend on the other processes.
    pub seed: u64,
    /// The arguments with which this program calls [`one`].
    pub arguments: &'a [&'a str],
}

/// The totals of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The driver.
    pub driver: &'static str,
    /// The number of each operation.
    pub operations: BTreeMap<String, u64>,
    /// Complete reads of the permanent images; as many hits were recorded.
    pub hits: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum: u64 = self.operations.values().sum();
        write!(
            f,
            "{}, {PROCESSES} processes: {sum} operations, {} hits (",
            self.driver, self.hits
        )?;
        for (n, (name, count)) in self.operations.iter().enumerate() {
            write!(f, "{}{name} {count}", if n == 0 { "" } else { ", " })?;
        }
        f.write_str(")")
    }
}

impl Run<'_> {
    /// Lets the processes work, and checks the result. An error describes the violation.
    pub fn on(&self, temp: &TempCache) -> Tested<Report> {
        let cache = temp.open();
        STEADY.iter().for_each(|id| drop(fill(&cache, id, &image(id))));
        // While a reader has it open, an image is not evicted.
        let mut pins = Vec::new();
        for id in STEADY {
            let mut reader = cache.open_for_read(id)?.ok_or("it was cached")?;
            reader.read_exact(&mut [0])?;
            pins.push(reader);
        }
        let children: Result<Vec<Child>, _> =
            (0..PROCESSES).map(|number| self.start(temp, number)?.spawn()).collect();
        let mut operations = BTreeMap::new();
        for child in children? {
            let output = child.wait_with_output()?;
            let said = String::from_utf8(output.stdout)?;
            if !output.status.success() {
                let errors = String::from_utf8_lossy(&output.stderr);
                return Err(format!("a process failed ({}):\n{said}{errors}", output.status).into());
            }
            for line in said.lines().filter_map(|line| line.strip_prefix("did ")) {
                let (name, count) = line.split_once(' ').ok_or("an invalid line")?;
                *operations.entry(name.to_owned()).or_default() += count.parse::<u64>()?;
            }
        }
        drop(pins);
        drop(cache);
        let made: Result<Vec<u64>, _> =
            STEADY.iter().map(|id| operations.remove(*id).ok_or("no process read it")).collect();
        let made = made?;
        check(temp, &made)?;
        Ok(Report { driver: temp.driver(), operations, hits: made.iter().sum() })
    }

    fn start(&self, temp: &TempCache, number: usize) -> std::io::Result<Command> {
        let mut child = temp.program()?;
        child.args(self.arguments).stdin(Stdio::null()).stderr(Stdio::piped());
        child.env(one::NUMBER, number.to_string()).env(one::SEED, self.seed.to_string());
        child.env(one::SECONDS, self.seconds.to_string());
        Ok(child)
    }
}

/// The conditions that must be true when all processes have ended.
fn check(temp: &TempCache, made: &[u64]) -> Tested {
    let cache = temp.open();
    let ids = listed(&cache);
    if !ids.is_sorted_by(|a, b| a < b) {
        return Err(format!("an image is listed twice: {ids:?}").into());
    }
    let records = temp.records_in_sync();
    if !records.keys().eq(&ids) {
        return Err(format!("{ids:?} are listed, in the records are {records:?}").into());
    }
    for (id, made) in STEADY.iter().zip(made) {
        let counted = (records.get(*id).map(|row| row.hits), cache.hit_count(id)?);
        if counted != (Some(*made), *made) {
            return Err(format!("{id}: {made} hits were made, {counted:?} counted").into());
        }
    }
    for (id, row) in &records {
        let digest = md5_hex(&fs::read(temp.path(id))?);
        if row.checksum.as_ref() != Some(&digest) || digest != md5_hex(&image(id)) {
            return Err(format!("{id} has MD5 {digest}; recorded is {row:?}").into());
        }
    }
    match temp.names("incomplete") {
        none if none.is_empty() => Ok(()),
        left => Err(format!("incomplete files are left: {left:?}").into()),
    }
}
