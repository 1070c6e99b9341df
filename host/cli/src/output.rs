//! Output on standard output, as tables or JSON, and text that is safe to show on a terminal.

use crate::error::CliError;
use bytesize::ByteSize;
use comfy_table::{Table, presets};
use serde::Serialize;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last second of the year 9999: RFC 3339 has four digits for the year.
const LAST_SECOND: Duration = Duration::from_secs(253_402_300_799);

/// The error for `--format junit` with a command that cannot print it.
pub const NO_JUNIT: &str = "--format junit is for `driver check` alone: use table or json";

/// The format of the log on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Lines for people
    Text,
    /// JSON for programs, an object a line
    Json,
}

/// How answers are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Columns for people
    Table,
    /// JSON for programs
    Json,
    /// JUnit's XML for test servers, only of `driver check`
    Junit,
}

impl Format {
    /// Prints the output: as JSON, or as the text that `table` returns.
    pub fn print<T: Serialize>(
        self,
        answer: &T,
        table: impl FnOnce(&T) -> String,
    ) -> anyhow::Result<()> {
        let mut text = match self {
            Format::Json => serde_json::to_string_pretty(answer)?,
            Format::Table => table(answer),
            // Refused before the command started.
            Format::Junit => return Err(CliError::Usage(NO_JUNIT.to_owned()).into()),
        };
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        print(text.as_bytes())
    }
}

/// Standard output, unbuffered.
pub fn stdout() -> io::Result<File> {
    Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?))
}

/// Writes all bytes to standard output.
pub fn print(bytes: &[u8]) -> anyhow::Result<()> {
    stdout().and_then(|mut stdout| stdout.write_all(bytes)).map_err(write_error)
}

/// The error for a failed write to standard output. If the reader has closed it, the error is not shown.
pub fn write_error(error: io::Error) -> anyhow::Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => CliError::OutputClosed.into(),
        _ => anyhow::Error::from(error).context("cannot write to standard output"),
    }
}

/// Columns with a header; every cell is escaped.
pub fn columns<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.set_header(header);
    let rows = rows.into_iter().map(|row| row.map(|cell| printable(&cell).replace('\n', " ")));
    aligned(table.add_rows(rows))
}

/// Names with their values, one per line; a value of several lines stays in its column.
pub fn facts<'a>(facts: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let facts = facts.into_iter().map(|(name, value)| [name.to_owned(), printable(&value)]);
    aligned(Table::new().add_rows(facts))
}

/// A table without borders.
fn aligned(table: &mut Table) -> String {
    table.load_style(presets::NOTHING);
    table.column_iter_mut().for_each(|column| {
        column.set_padding((0, 2));
    });
    table.trim_fmt()
}

/// Escapes control characters, and characters that change the order in which a terminal shows text.
pub fn printable(text: &str) -> String {
    let hides = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    text.chars().fold(String::with_capacity(text.len()), |mut shown, c| {
        if hides(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
        shown
    })
}

/// A time in microseconds, in UTC, in the format of RFC 3339.
pub fn exact_time(time: SystemTime) -> String {
    humantime::format_rfc3339_micros(in_range(time)).to_string()
}

/// A time in seconds, in UTC.
pub fn short_time(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(in_range(time)).to_string()
}

/// Bytes in a suitable unit.
pub fn short_size(bytes: u64) -> String {
    ByteSize::b(bytes).display().iec().to_string()
}

/// Bytes in a suitable unit, and exactly.
pub fn size(bytes: u64) -> String {
    format!("{} ({bytes} bytes)", short_size(bytes))
}

/// A number with its noun: `1 image`, `2 images`.
pub fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Files can have times that RFC 3339 cannot express.
fn in_range(time: SystemTime) -> SystemTime {
    time.clamp(UNIX_EPOCH, UNIX_EPOCH + LAST_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_of_a_terminal_are_escaped() {
        assert_eq!(printable("plain ünïcode 日本\n"), "plain ünïcode 日本\n");
        assert_eq!(
            printable("a\u{1b}[2Jb\r\u{9b}\u{202e}c\u{7f}"),
            "a\\u{1b}[2Jb\\r\\u{9b}\\u{202e}c\\u{7f}"
        );
    }

    #[test]
    fn times_out_of_range_do_not_panic() {
        assert_eq!(exact_time(UNIX_EPOCH - Duration::from_secs(5)), "1970-01-01T00:00:00.000000Z");
        assert_eq!(short_time(UNIX_EPOCH + LAST_SECOND * 2), "9999-12-31T23:59:59Z");
        assert_eq!(
            exact_time(UNIX_EPOCH + Duration::from_micros(1_500_000)),
            "1970-01-01T00:00:01.500000Z"
        );
    }

    #[test]
    fn columns_are_aligned_and_each_row_is_one_line() {
        let text =
            columns(["ID", "SIZE"], [["a".into(), "1".into()], ["long\nid".into(), "22".into()]]);
        assert_eq!(text, "ID       SIZE\na        1\nlong id  22");
    }

    #[test]
    fn numbers_have_their_plural() {
        assert_eq!(count(1, "image"), "1 image");
        assert_eq!(count(0, "image"), "0 images");
        assert_eq!(size(10 << 30), "10.0 GiB (10737418240 bytes)");
    }
}
