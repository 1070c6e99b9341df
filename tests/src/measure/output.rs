//! The output of rows: a table, and lines of JSON for programs that collect them.

use super::row::Row;
use super::table::Cells;
use crate::Tested;
use std::fs::File;
use std::io::Write;

/// The variable with the file to which rows are appended, each as a line of JSON.
const ROWS: &str = "IMAGE_CACHE_BENCH_ROWS";

/// The columns.
const TITLES: [&str; 6] = ["what", "ours", "peer", "ratio", "target", ""];

/// Prints the rows, aligned.
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

/// Appends rows to the file that `IMAGE_CACHE_BENCH_ROWS` names, if it is set.
pub(super) fn tell(rows: &[Row]) -> Tested {
    let Some(path) = std::env::var_os(ROWS) else { return Ok(()) };
    let open = File::options().append(true).create(true).open(&path);
    let mut file = open.map_err(|error| format!("{}: {error}", path.display()))?;
    for row in rows {
        writeln!(file, "{}", row.json())?;
    }
    Ok(())
}
