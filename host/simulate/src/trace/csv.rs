//! CSV: a time, an id and a size in each line, and if the trace has them, a tenant and the time of a fetch.

use super::collector::{Collector, Line};
use super::columns::{Columns, OPTIONAL, REQUIRED};
use super::error::TraceError;
use super::line_limit::LineLimit;
use super::options::TraceOptions;
use super::times::{TimeUnit, shown};
use csv::{ReaderBuilder, StringRecord};
use std::io::{self, Read};

/// The names of the columns, if no others are given.
const NAMES: [&str; REQUIRED] = ["time", "id", "size"];
const OPTIONAL_NAMES: [&str; OPTIONAL] = ["tenant", "fetch_time"];

/// The indices of the columns.
#[derive(Clone, Copy)]
struct Places {
    required: [usize; REQUIRED],
    optional: [Option<usize>; OPTIONAL],
}

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
        let line = request(&record, columns, options.time_unit)
            .map_err(|reason| collector.malformed(number, reason))?;
        collector.push(number, line)?;
    }
    if !reader.get_ref().is_ended() {
        collector.set_unended(number);
    }
    Ok(())
}

/// The columns, and whether the first line has their names.
fn find(options: &TraceOptions, first: &StringRecord) -> Result<(Places, bool), String> {
    let position = |name: &str| position(first, name);
    let is_number = |at: usize| first.get(at).is_some_and(|it| it.trim().parse::<f64>().is_ok());
    match &options.columns {
        Some(Columns::Numbered(required, optional)) => {
            let required = required.map(|number| number - 1);
            let optional = optional.map(|number| number.map(|number| number - 1));
            let [time, _, size] = required;
            let is_header = !is_number(time) && !is_number(size);
            Ok((Places { required, optional }, is_header))
        }
        Some(Columns::Named(required, optional)) => {
            find_named(first, required, optional).map(|places| (places, true))
        }
        None => match NAMES.map(position) {
            [Some(time), Some(id), Some(size)] => {
                let optional = OPTIONAL_NAMES.map(position);
                Ok((Places { required: [time, id, size], optional }, true))
            }
            _ if first.len() > 2 && !is_number(0) && !is_number(2) => Err(format!(
                "it has the columns {}; name those with time, id and size: --columns TIME,ID,SIZE",
                shown(&first.iter().collect::<Vec<_>>().join(","))
            )),
            _ => Ok((Places { required: [0, 1, 2], optional: [None; OPTIONAL] }, false)),
        },
    }
}

fn find_named(
    first: &StringRecord,
    required: &[String; REQUIRED],
    optional: &[Option<String>; OPTIONAL],
) -> Result<Places, String> {
    let named = required.iter().chain(optional.iter().flatten());
    let missing: Vec<&str> =
        named.map(String::as_str).filter(|name| position(first, name).is_none()).collect();
    if !missing.is_empty() {
        return Err(format!("it does not have the columns {}", missing.join(", ")));
    }
    // All are there.
    let place = |name: &String| position(first, name).unwrap_or_default();
    let optional = optional.each_ref().map(|name| name.as_ref().map(place));
    Ok(Places { required: required.each_ref().map(place), optional })
}

fn position(record: &StringRecord, name: &str) -> Option<usize> {
    record.iter().position(|field| field.trim().eq_ignore_ascii_case(name))
}

fn request(record: &StringRecord, places: Places, unit: TimeUnit) -> Result<Line<'_>, String> {
    let field = |at: usize| {
        record.get(at).ok_or_else(|| {
            format!(
                "it has no column {}, separated by commas; if the file is complete, name the columns with --columns",
                at + 1
            )
        })
    };
    let [time, id, size] = places.required.map(field);
    let (time, id, size) = (time?, id?, size?.trim());
    let size =
        size.parse().map_err(|_| format!("the size {} is no number of bytes", shown(size)))?;
    if id.is_empty() {
        return Err("the id is empty".into());
    }
    let [tenant, fetch] = places.optional.map(|at| at.map_or(Ok(""), field));
    // A row about a hit has no time of a fetch.
    let fetch_micros = match fetch?.trim() {
        "" => 0,
        time => unit.micros(time).map_err(|reason| format!("the time of a fetch: {reason}"))?,
    };
    Ok(Line { at: unit.micros(time)?, id, size, tenant: tenant?, fetch_micros })
}

fn csv_error(error: csv::Error, collector: &Collector) -> TraceError {
    let line = error.position().map_or(0, |position| position.line());
    match error.into_kind() {
        csv::ErrorKind::Io(error) => TraceError::Io(error),
        csv::ErrorKind::Utf8 { .. } => collector.malformed(line, "it is not UTF-8"),
        kind => TraceError::Io(io::Error::other(format!("{kind:?}"))),
    }
}
