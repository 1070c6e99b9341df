//! Counts runs and failures by row and column, and prints them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};

/// Runs and failures of one kind of torture test.
#[derive(Debug, Default)]
pub struct Matrix {
    title: String,
    cells: BTreeMap<(String, String), Cell>,
    /// The failures as messages.
    pub failures: Vec<String>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Cell {
    runs: usize,
    failures: usize,
}

impl Matrix {
    /// An empty matrix.
    pub fn new(title: impl Into<String>) -> Matrix {
        Matrix { title: title.into(), ..Matrix::default() }
    }

    /// Adds a run with its failures.
    pub fn add(&mut self, row: &str, column: &str, what: &str, wrong: &[String]) {
        let cell = self.cells.entry((row.to_owned(), column.to_owned())).or_default();
        cell.runs += 1;
        if !wrong.is_empty() {
            cell.failures += 1;
            self.failures.push(format!("{row}, {what}: {}", wrong.join("; ")));
        }
    }

    /// The number of runs.
    pub fn runs(&self) -> usize {
        self.cells.values().map(|cell| cell.runs).sum()
    }

    /// The names of the calls that had a fault.
    pub fn columns(&self) -> BTreeSet<&str> {
        self.cells.keys().map(|(_, column)| column.as_str()).collect()
    }

    fn sum(&self, matches: impl Fn(&str, &str) -> bool) -> Cell {
        let cells = self.cells.iter().filter(|((row, column), _)| matches(row, column));
        cells.fold(Cell::default(), |sum, (_, cell)| Cell {
            runs: sum.runs + cell.runs,
            failures: sum.failures + cell.failures,
        })
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.runs, self.failures) {
            (0, _) => Ok(()),
            (runs, 0) => write!(f, "{runs}"),
            (runs, failures) => write!(f, "{runs} ({failures}!)"),
        }
    }
}

impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: BTreeSet<&str> = self.cells.keys().map(|(row, _)| row.as_str()).collect();
        let columns = self.columns();
        writeln!(f, "{} (runs, and failures with a !)", self.title)?;
        let mut lines = Vec::new();
        lines.push(
            [""].into_iter()
                .chain(columns.iter().copied())
                .chain(["all"])
                .map(str::to_owned)
                .collect(),
        );
        for row in &rows {
            let cells = columns.iter().map(|column| self.sum(|r, c| r == *row && c == *column));
            let all = self.sum(|r, _| r == *row);
            lines.push(line(row, cells.chain([all])));
        }
        let sums = columns.iter().map(|column| self.sum(|_, c| c == *column));
        lines.push(line("all", sums.chain([self.sum(|_, _| true)])));
        f.write_str(&aligned(&lines))
    }
}

fn line(name: &str, cells: impl Iterator<Item = Cell>) -> Vec<String> {
    [name.to_owned()].into_iter().chain(cells.map(|cell| cell.to_string())).collect()
}

fn aligned(lines: &[Vec<String>]) -> String {
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..lines[0].len()).map(width).collect();
    let mut text = String::new();
    for line in lines {
        let _ = write!(text, "  {:<width$}", line[0], width = widths[0]);
        for (cell, width) in line.iter().zip(&widths).skip(1) {
            let _ = write!(text, "  {cell:>width$}");
        }
        text.push('\n');
    }
    text
}
