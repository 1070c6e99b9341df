//! Reading a TOML file: known options by name, everything else a fault with its line.

use super::fault::{Rejected, at_line, known};
use super::value::Given;
use super::{ConfigBuilder, ConfigFault, ConfigOption, driver_table};
use std::ffi::OsStr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// A key with its value, each with its place.
pub(super) type Entry<'a, 'i> = (&'a Spanned<DeString<'i>>, &'a Spanned<DeValue<'i>>);

/// A file that is being read, and what was found to be wrong with it.
pub(super) struct Reading<'a> {
    text: &'a str,
    path: &'a Path,
    /// Where the first syntax error is: what was recovered behind it may say something else than
    /// its author meant.
    broken_at: Option<usize>,
    /// Each with its place in the text.
    pub(super) faults: Vec<(usize, ConfigFault)>,
}

/// Puts what the text says into `builder`; answers the faults.
pub(super) fn read(text: &str, path: &Path, builder: &mut ConfigBuilder) -> Vec<ConfigFault> {
    let mut reading = Reading { text, path, broken_at: None, faults: Vec::new() };
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let span = error.span().unwrap_or_default();
        let line = super::fault::quoted(reading.line_text(&span));
        let found = format!("a syntax error ({}) in {line}", error.message());
        let accepted = "TOML: key = value, where text stands in double quotes";
        reading.fault(&span, "", Rejected::new(found, accepted));
    }
    reading.broken_at = errors.iter().filter_map(|error| Some(error.span()?.start)).min();
    reading.options(table.get_ref(), builder);
    reading.faults.sort_by_key(|(place, _)| *place);
    reading.faults.into_iter().map(|(_, fault)| fault).collect()
}

impl Reading<'_> {
    fn options(&mut self, table: &DeTable<'_>, builder: &mut ConfigBuilder) {
        let mut driver_here = false;
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            match (ConfigOption::ALL.into_iter().find(|option| option.name() == name), name) {
                (Some(option), _) => {
                    let set = option.set(&given(value.get_ref()), builder);
                    driver_here |= option == ConfigOption::Driver && set.is_ok();
                    self.hold(key, name, set);
                }
                (None, "drivers") => self.drivers(value, builder),
                (None, _) => {
                    let mut names = ConfigOption::ALL.map(ConfigOption::name).to_vec();
                    names.push("[drivers.NAME]");
                    self.unknown(key, name, &names);
                }
            }
        }
        if driver_here {
            self.anchor_driver(builder);
        }
    }

    fn drivers(&mut self, value: &Spanned<DeValue<'_>>, builder: &mut ConfigBuilder) {
        let DeValue::Table(drivers) = value.get_ref() else {
            let rejected = Rejected::new(
                given(value.get_ref()).found(),
                "a table [drivers.NAME] for each driver",
            );
            return self.fault(&value.span(), "drivers", rejected);
        };
        for entry in drivers {
            if let Some(driver) = driver_table::read(self, entry) {
                builder.drivers.insert(entry.0.get_ref().to_string(), driver);
            }
        }
    }

    /// A relative path of a component starts at the file's directory, like those in `[drivers.NAME]`.
    fn anchor_driver(&self, builder: &mut ConfigBuilder) {
        if let Some(driver) = &mut builder.driver {
            let is_path = driver.contains('/') || driver.ends_with(".wasm");
            if is_path && !builder.drivers.contains_key(driver) {
                // Text joined to a path that is not UTF-8 has no form here; it stays as it is then.
                if let Ok(path) = self.anchored(driver).into_os_string().into_string() {
                    *driver = path;
                }
            }
        }
    }

    /// A path as the file means it.
    pub(super) fn anchored(&self, path: &str) -> PathBuf {
        match self.path.parent() {
            Some(directory) => directory.join(path),
            None => path.into(),
        }
    }

    /// Keeps the fault, if there is one; answers the value, if there is one.
    pub(super) fn hold<T>(
        &mut self,
        key: &Spanned<DeString<'_>>,
        name: &str,
        result: Result<T, Rejected>,
    ) -> Option<T> {
        result.map_err(|rejected| self.fault(&key.span(), name, rejected)).ok()
    }

    /// Whether the text is no TOML, so that what is missing may only not have been understood.
    pub(super) fn is_broken(&self) -> bool {
        self.broken_at.is_some()
    }

    pub(super) fn fault(&mut self, span: &Range<usize>, key: &str, rejected: Rejected) {
        if self.broken_at.is_some_and(|broken_at| span.start >= broken_at) {
            return;
        }
        let line =
            self.text.as_bytes().iter().take(span.start).filter(|byte| **byte == b'\n').count() + 1;
        self.faults.push((span.start, rejected.at(at_line(self.path, Some(line)), key)));
    }

    /// A key that is not among `names`.
    pub(super) fn unknown(&mut self, key: &Spanned<DeString<'_>>, shown: &str, names: &[&str]) {
        self.fault(
            &key.span(),
            shown,
            Rejected::new("an unknown option", known(key.get_ref(), names)),
        );
    }

    fn line_text(&self, span: &Range<usize>) -> &str {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        self.text[start..].lines().next().unwrap_or_default().trim()
    }
}

/// A value in the form that options read.
pub(super) fn given<'a>(value: &'a DeValue<'_>) -> Given<'a> {
    match value {
        DeValue::String(text) => Given::Text(OsStr::new(text.as_ref())),
        DeValue::Integer(number) => {
            Given::Integer(i128::from_str_radix(number.as_str(), number.radix()).ok())
        }
        // What the parser recovers of a number with a syntax error.
        DeValue::Float(number) if number.as_str().is_empty() => Given::Other("a broken number"),
        DeValue::Float(number) => Given::Other(number.as_str()),
        DeValue::Boolean(on) => Given::Switch(*on),
        DeValue::Datetime(_) => Given::Other("a date or time of day"),
        DeValue::Array(_) => Given::Other("an array"),
        DeValue::Table(_) => Given::Other("a table"),
    }
}
