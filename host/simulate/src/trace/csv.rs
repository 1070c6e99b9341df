//! CSV: a time, an id and a size in each line.

use super::collector::Collector;
use super::columns::Columns;
use super::error::TraceError;
use super::line_limit::LineLimit;
use super::options::TraceOptions;
use super::times::{TimeUnit, shown};
use csv::{ReaderBuilder, StringRecord};
use std::io::{self, Read};

/// The names of the columns, if no others are given.
const NAMES: [&str; 3] = ["time", "id", "size"];

pub(super) fn read(
    input: impl Read,
    options: &TraceOptions,
    collector: &mut Collector,
) -> Result<(), TraceError> {
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(LineLimit::new(input, true));
    let mut record = StringRecord::new();
    let mut columns = None;
    let mut number = 1;
    while reader.read_record(&mut record).map_err(|error| csv_error(error, collector))? {
        number = record.position().map_or(number, |position| position.line());
        let columns = match columns {
            Some(columns) => columns,
            None => {
                let (found, is_header) =
                    find(options, &record).map_err(|reason| collector.malformed(number, reason))?;
                columns = Some(found);
                if is_header {
                    continue;
                }
                found
            }
        };
        let (at, id, size) = request(&record, columns, options.time_unit)
            .map_err(|reason| collector.malformed(number, reason))?;
        collector.push(number, at, id, size)?;
    }
    if !reader.get_ref().is_ended() {
        collector.set_unended(number);
    }
    Ok(())
}

/// The indices of the columns, and whether the first line has their names.
fn find(options: &TraceOptions, first: &StringRecord) -> Result<([usize; 3], bool), String> {
    let position =
        |name: &str| first.iter().position(|field| field.trim().eq_ignore_ascii_case(name));
    let is_number = |at: usize| first.get(at).is_some_and(|it| it.trim().parse::<f64>().is_ok());
    match &options.columns {
        Some(Columns::Numbered(numbers)) => {
            let columns = numbers.map(|number| number - 1);
            let [time, _, size] = columns;
            Ok((columns, !is_number(time) && !is_number(size)))
        }
        Some(Columns::Named(names)) => match names.each_ref().map(|name| position(name)) {
            [Some(time), Some(id), Some(size)] => Ok(([time, id, size], true)),
            _ => Err(format!("it does not have the columns {}", names.join(", "))),
        },
        None => match NAMES.map(position) {
            [Some(time), Some(id), Some(size)] => Ok(([time, id, size], true)),
            _ if first.len() > 2 && !is_number(0) && !is_number(2) => Err(format!(
                "it has the columns {}; name those with time, id and size: --columns TIME,ID,SIZE",
                shown(&first.iter().collect::<Vec<_>>().join(","))
            )),
            _ => Ok(([0, 1, 2], false)),
        },
    }
}

fn request(
    record: &StringRecord,
    columns: [usize; 3],
    unit: TimeUnit,
) -> Result<(u64, &str, u64), String> {
    let field = |at: usize| {
        record.get(at).ok_or_else(|| {
            format!(
                "it has no column {}, separated by commas; if the file is complete, name the columns with --columns",
                at + 1
            )
        })
    };
    let [time, id, size] = columns.map(field);
    let (time, id, size) = (time?, id?, size?.trim());
    let bytes =
        size.parse().map_err(|_| format!("the size {} is no number of bytes", shown(size)))?;
    if id.is_empty() {
        return Err("the id is empty".into());
    }
    Ok((unit.micros(time)?, id, bytes))
}

fn csv_error(error: csv::Error, collector: &Collector) -> TraceError {
    let line = error.position().map_or(0, |position| position.line());
    match error.into_kind() {
        csv::ErrorKind::Io(error) => TraceError::Io(error),
        csv::ErrorKind::Utf8 { .. } => collector.malformed(line, "it is not UTF-8"),
        kind => TraceError::Io(io::Error::other(format!("{kind:?}"))),
    }
}
