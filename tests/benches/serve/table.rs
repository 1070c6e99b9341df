//! What was measured, and what was asked.

use std::time::Duration;

/// A figure of ours beside that of a peer.
pub struct Line {
    pub what: String,
    pub ours: String,
    /// The peer's name and figure.
    pub peer: String,
    /// Ours over the peer's, where that says anything.
    pub ratio: Option<f64>,
    /// What is held against the limit: that ratio, or our own figure.
    pub found: f64,
    pub asked: Asked,
}

/// What a figure must reach.
#[derive(Clone, Copy)]
pub enum Asked {
    AtLeast(f64),
    AtMost(f64),
    Nothing,
}

impl Asked {
    fn words(self) -> String {
        match self {
            Asked::AtLeast(limit) => format!(">= {limit}"),
            Asked::AtMost(limit) => format!("<= {limit}"),
            Asked::Nothing => "-".to_owned(),
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

pub fn print(lines: &[Line]) {
    let titles = ["what", "ours", "peer", "ratio", "asked", ""].map(str::to_owned);
    let rows = lines.iter().map(|line| {
        let ratio = line.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        let (asked, verdict) = (line.asked.words(), line.asked.holds(line.found).to_owned());
        [line.what.clone(), line.ours.clone(), line.peer.clone(), ratio, asked, verdict]
    });
    let rows: Vec<[String; 6]> = std::iter::once(titles).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..6).map(|column| width(column).unwrap_or(0)).collect();
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        println!("{}", cells.join("  ").trim_end());
    }
}

/// The one in the middle; 0 of none.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(0.0)
}

/// Bytes in a time, in MiB per second.
pub fn mib_per_second(bytes: u64, time: Duration) -> f64 {
    bytes as f64 / time.as_secs_f64() / f64::from(1 << 20)
}
