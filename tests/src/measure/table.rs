//! What was measured, and what was asked, as lines of a table; and for programs that collect them.

use super::Row;
use crate::Tested;
use std::fs::File;
use std::io::Write;
use std::time::Duration;

/// Names the file that rows are added to, each a line of JSON.
const ROWS: &str = "IMAGE_CACHE_BENCH_ROWS";

/// The columns.
const TITLES: [&str; 6] = ["what", "ours", "peer", "ratio", "target", ""];

/// A figure of ours beside that of a peer.
pub(super) struct Line {
    /// What was measured; empty where the line goes on with the one above.
    pub what: String,
    /// Our figure.
    pub ours: String,
    /// The peer's name and figure.
    pub peer: String,
    /// Ours over the peer's, where that says anything.
    pub ratio: Option<f64>,
    /// What is held against the limit: that ratio, or our own figure.
    pub found: f64,
    /// The limit.
    pub asked: Asked,
}

/// What a figure must reach.
#[derive(Debug, Clone, Copy)]
pub enum Asked {
    /// No less.
    AtLeast(f64),
    /// No more.
    AtMost(f64),
    /// It is only shown.
    Nothing,
}

impl Asked {
    fn words(self) -> String {
        match self {
            Asked::AtLeast(limit) => format!(">= {limit}"),
            Asked::AtMost(limit) => format!("<= {limit}"),
            Asked::Nothing => String::new(),
        }
    }

    fn holds(self, found: f64) -> &'static str {
        let holds = match self {
            Asked::AtLeast(limit) => found >= limit,
            Asked::AtMost(limit) => found <= limit,
            Asked::Nothing => return "",
        };
        if holds { "reached" } else { "MISSED" }
    }
}

/// The cells of a line, a column each.
pub(super) type Cells = [String; 6];

impl Line {
    /// One that says nothing yet.
    pub fn empty() -> Line {
        let (what, ours, peer) = (String::new(), String::new(), String::new());
        Line { what, ours, peer, ratio: None, found: 0.0, asked: Asked::Nothing }
    }

    /// The cells of its columns; the last one is empty where nothing was asked.
    pub fn cells(&self) -> Cells {
        let ratio = self.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        let verdict = self.asked.holds(self.found).to_owned();
        [
            self.what.clone(),
            self.ours.clone(),
            self.peer.clone(),
            ratio,
            self.asked.words(),
            verdict,
        ]
    }
}

/// Prints them, aligned.
pub(super) fn print(rows: &[Row]) {
    let rows = rows.iter().flat_map(Row::cells);
    let rows: Vec<Cells> = std::iter::once(TITLES.map(str::to_owned)).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..6).map(|column| width(column).unwrap_or(0)).collect();
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        println!("{}", cells.join("  ").trim_end());
    }
}

/// Adds rows to the file that `IMAGE_CACHE_BENCH_ROWS` names, where it names one.
pub(super) fn tell(rows: &[Row]) -> Tested {
    let Some(path) = std::env::var_os(ROWS) else { return Ok(()) };
    let open = File::options().append(true).create(true).open(&path);
    let mut file = open.map_err(|error| format!("{}: {error}", path.display()))?;
    for row in rows {
        writeln!(file, "{}", row.json())?;
    }
    Ok(())
}

/// Bytes in a time, in MiB per second.
pub fn mib_per_second(bytes: u64, time: Duration) -> f64 {
    bytes as f64 / time.as_secs_f64() / f64::from(1 << 20)
}
