//! The rows of the benchmarks. Each row is a line of JSON whose `lines` are the cells of a table.

use anyhow::{Context, Result};
use comfy_table::{Table, presets};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// The columns; the last one has the verdict.
const TITLES: [&str; 6] = ["what", "ours", "peer", "ratio", "target", "verdict"];

/// All rows in their order.
pub struct Rows(Vec<Vec<[String; 6]>>);

impl Rows {
    /// Reads the file to which the benchmarks appended the rows.
    pub fn read(path: &Path) -> Result<Rows> {
        let text =
            fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        let rows: Result<_> = text.lines().map(lines).collect();
        rows.map(Rows).with_context(|| format!("{} is not a list of rows", path.display()))
    }

    /// The number of rows.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The number of missed targets.
    pub fn missed(&self) -> usize {
        self.cells().filter(|[.., verdict]| verdict == "MISSED").count()
    }

    /// The number of missing peers.
    pub fn missing(&self) -> usize {
        self.cells().filter(|[_, _, peer, ..]| is_missing(peer)).count()
    }

    /// A table for a terminal.
    pub fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header(TITLES);
        table.add_rows(self.cells());
        table.trim_fmt()
    }

    /// A table in Markdown; missed targets and missing peers are bold.
    pub fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let titles = line(&TITLES.map(str::to_owned));
        let rule = line(&TITLES.map(|_| "---".to_owned()));
        let rows = self.cells().map(|cells| {
            let mut cells = cells.clone().map(|cell| cell.replace('|', "\\|"));
            let [_, _, peer, _, _, verdict] = &mut cells;
            for cell in [peer, verdict] {
                if is_missing(cell) || cell == "MISSED" {
                    *cell = format!("**{cell}**");
                }
            }
            line(&cells)
        });
        titles + &rule + &rows.collect::<String>()
    }

    fn cells(&self) -> impl Iterator<Item = &[String; 6]> {
        self.0.iter().flatten()
    }
}

fn is_missing(peer: &str) -> bool {
    peer.to_ascii_lowercase().contains(": missing")
}

/// The cells of a row's lines.
fn lines(text: &str) -> Result<Vec<[String; 6]>> {
    let row: Value = serde_json::from_str(text)?;
    let lines = row["lines"].as_array().context("a row without lines")?;
    lines
        .iter()
        .map(|line| {
            let cells = line.as_array().context("a line without cells")?;
            let cells: Vec<String> =
                cells.iter().map(|cell| cell.as_str().unwrap_or_default().to_owned()).collect();
            cells.try_into().ok().context("a line has six cells")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Rows {
        let text = r#"{"lines": [["hit", "20 µs", "Glance: 1 | 2", "0.02", "<= 15", "MISSED"], ["", "", "nginx: missing", "", "", ""]]}"#;
        Rows(vec![lines(text).unwrap_or_default()])
    }

    #[test]
    fn missed_targets_and_missing_peers_are_counted_and_bold() {
        let rows = rows();
        assert_eq!((rows.count(), rows.missed(), rows.missing()), (1, 1, 1));
        let page = rows.markdown();
        assert!(page.contains("| hit | 20 µs | Glance: 1 \\| 2 | 0.02 | <= 15 | **MISSED** |"));
        assert!(page.contains("|  |  | **nginx: missing** |"), "{page}");
    }

    #[test]
    fn a_malformed_row_is_an_error() {
        for strange in ["", "{}", r#"{"lines": [["one"]]}"#] {
            assert!(lines(strange).is_err(), "{strange:?}");
        }
    }
}
