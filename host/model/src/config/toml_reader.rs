//! A TOML file that is being read: its keys with their places, and its faults.

use super::fault::{ConfigFault, Rejected, at_line, known, quoted};
use super::given::Given;
use std::ffi::OsStr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// A key with its value, each with its place.
pub(super) type KeyValue<'a, 'i> = (&'a Spanned<DeString<'i>>, &'a Spanned<DeValue<'i>>);

/// A file that is being read, and its faults.
pub(super) struct TomlReader<'a> {
    text: &'a str,
    path: &'a Path,
    /// The place of the first syntax error. The parser may misunderstand the text after it.
    broken_at: Option<usize>,
    /// Each fault with its place in the text.
    pub(super) faults: Vec<(usize, ConfigFault)>,
}

impl<'a> TomlReader<'a> {
    /// Parses the text. Returns also the readable part of a faulty text.
    pub(super) fn parse(text: &'a str, path: &'a Path) -> (Self, Spanned<DeTable<'a>>) {
        let mut reader = TomlReader { text, path, broken_at: None, faults: Vec::new() };
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            let span = error.span().unwrap_or_default();
            let line = quoted(reader.line_text(&span));
            let found = format!("a syntax error ({}) in {line}", error.message());
            let accepted = "TOML: key = value, where text stands in double quotes";
            reader.fault(&span, "", Rejected::new(found, accepted));
        }
        reader.broken_at = errors.iter().filter_map(|error| Some(error.span()?.start)).min();
        (reader, table)
    }

    /// The faults in the order of the text.
    pub(super) fn into_faults(mut self) -> Vec<ConfigFault> {
        self.faults.sort_by_key(|(place, _)| *place);
        self.faults.into_iter().map(|(_, fault)| fault).collect()
    }

    /// The path, relative to the file's directory.
    pub(super) fn anchored(&self, path: &str) -> PathBuf {
        match self.path.parent() {
            Some(directory) => directory.join(path),
            None => path.into(),
        }
    }

    /// Returns the value, or stores the fault.
    pub(super) fn hold<T>(
        &mut self,
        span: &Range<usize>,
        key: &str,
        result: Result<T, Rejected>,
    ) -> Option<T> {
        result.map_err(|rejected| self.fault(span, key, rejected)).ok()
    }

    /// Returns the value as a table, or stores the fault that it is not a table.
    pub(super) fn table<'v, 'i>(
        &mut self,
        span: &Range<usize>,
        key: &str,
        value: &'v Spanned<DeValue<'i>>,
        accepted: &str,
    ) -> Option<&'v DeTable<'i>> {
        let value = value.get_ref();
        self.hold(span, key, value.as_table().ok_or_else(|| given(value).rejected(accepted)))
    }

    /// Whether the text has a syntax error, so that the parser may have missed keys.
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

    /// Stores the fault of a key that is not in `names`.
    pub(super) fn unknown(&mut self, key: &Spanned<DeString<'_>>, shown: &str, names: &[&str]) {
        let rejected = Rejected::new("an unknown option", known(key.get_ref(), names));
        self.fault(&key.span(), shown, rejected);
    }

    fn line_text(&self, span: &Range<usize>) -> &str {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        self.text[start..].lines().next().unwrap_or_default().trim()
    }
}

/// A TOML value for the reader of an option.
pub(super) fn given<'a>(value: &'a DeValue<'_>) -> Given<'a> {
    match value {
        DeValue::String(text) => Given::Text(OsStr::new(text.as_ref())),
        DeValue::Integer(number) => {
            Given::Integer(i128::from_str_radix(number.as_str(), number.radix()).ok())
        }
        // The parser returns this for a number with a syntax error.
        DeValue::Float(number) if number.as_str().is_empty() => Given::Other("a broken number"),
        DeValue::Float(number) => Given::Other(number.as_str()),
        DeValue::Boolean(on) => Given::Switch(*on),
        DeValue::Datetime(_) => Given::Other("a date or time of day"),
        DeValue::Array(_) => Given::Other("an array"),
        DeValue::Table(_) => Given::Other("a table"),
    }
}
