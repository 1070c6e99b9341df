//! Reads the options that Glance also has from an oslo.config file (INI, `[DEFAULT]`).

use super::fault::{ConfigFault, Rejected, at_line, quoted};
use super::given::Given;
use super::option_table::{ConfigBuilder, ConfigOption};
use ini::{Ini, ParseOption};
use std::path::Path;

const SECTION: &str = "DEFAULT";
/// Maximum depth of references.
const MAX_DEPTH: usize = 8;
/// The largest value after its references are replaced.
const MAX_VALUE_BYTES: usize = 16 << 10;

/// Puts the options of the text into `builder`; returns the faults.
pub(super) fn read(text: &str, path: &Path, builder: &mut ConfigBuilder) -> Vec<ConfigFault> {
    // As in oslo.config: a backslash is an ordinary character, and quotes have a meaning only around a whole value.
    let as_oslo = ParseOption {
        enabled_quote: false,
        enabled_escape: false,
        enabled_indented_mutiline_value: true,
        enabled_preserve_key_leading_whitespace: false,
    };
    let text = text.trim_start_matches('\u{feff}');
    let ini = match Ini::load_from_str_opt(text, as_oslo) {
        Ok(ini) => ini,
        Err(error) => return vec![unreadable(text, path, error.line)],
    };
    let mut faults = stray_lines(&ini, path, text);
    for option in ConfigOption::ALL.iter().filter(|option| option.definition().is_of_glance) {
        if let Some(value) = value(&ini, SECTION, option.name()) {
            let value = resolved(&ini, SECTION, value, 0);
            let set = value.and_then(|value| option.set(&Given::Text(value.as_ref()), builder));
            let line = line_of(text, option.name());
            faults
                .extend(set.err().map(|rejected| rejected.at(at_line(path, line), option.name())));
        }
    }
    faults
}

/// The fault of a text that the parser cannot read. At the end of the text, the parser is one line beyond the fault.
fn unreadable(text: &str, path: &Path, line: usize) -> ConfigFault {
    // Only what the parser skips: it stops at other white space, such as a vertical tab.
    let shown = |line| str::trim_matches(line, [' ', '\t', '\r']);
    let lines = text.lines().take(line).map(shown).enumerate().filter(|(_, line)| !line.is_empty());
    let last = lines.last();
    let found = quoted(last.map_or(text, |(_, line)| line));
    let accepted = "[section], \"key = value\", or a comment after '#'";
    Rejected::new(found, accepted).at(at_line(path, last.map(|(index, _)| index + 1)), "")
}

/// The last value of a key, without its quotes. The parser puts lines without `=` before a key into the key (they are a fault,
/// but not of this key).
fn value<'a>(ini: &'a Ini, section: &str, key: &str) -> Option<&'a str> {
    let properties = ini.section_all(Some(section));
    let mut all = properties.flat_map(|properties| properties.iter());
    let last = all.rfind(|(name, _)| name.lines().last() == Some(key))?.1.trim();
    let unquoted =
        ['"', '\''].iter().find_map(|quote| last.strip_prefix(*quote)?.strip_suffix(*quote));
    Some(unquoted.unwrap_or(last))
}

/// Faults for lines without `=` or `:`, which the parser takes for the beginning of the next key.
fn stray_lines(ini: &Ini, path: &Path, text: &str) -> Vec<ConfigFault> {
    let keys =
        ini.section_all(Some(SECTION)).flat_map(|properties| properties.iter()).map(|(key, _)| key);
    let lines = keys.flat_map(|key| key.lines().rev().skip(1).map(str::trim).collect::<Vec<_>>());
    lines
        .filter(|line| !line.is_empty() && !line.starts_with(['#', ';']))
        .map(|line| {
            let number = text.lines().position(|other| other.trim() == line).map(|index| index + 1);
            let accepted = "[section], \"key = value\", or a comment after '#'";
            Rejected::new(quoted(line), accepted).at(at_line(path, number), "")
        })
        .collect()
}

/// The value with `$name`, `${name}` and `${section.name}` replaced; `$$` and `\$` are a dollar sign.
fn resolved(ini: &Ini, section: &str, value: &str, depth: usize) -> Result<String, Rejected> {
    let mut result = String::new();
    let mut rest = value;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        let after = &from[1..];
        if let Some(before) = before.strip_suffix('\\') {
            result.extend([before, "$"]);
            rest = after;
            continue;
        }
        result.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            result.push('$');
            rest = after;
            continue;
        }
        let Some((name, after)) = reference(after) else {
            // No name follows: oslo.config keeps the dollar sign.
            result.push('$');
            rest = after;
            continue;
        };
        result.push_str(&referred(ini, section, name, depth)?);
        if result.len() > MAX_VALUE_BYTES {
            return Err(Rejected::new(quoted(value), "a value of at most 16 KiB"));
        }
        rest = after;
    }
    Ok(result + rest)
}

/// The name after a dollar sign, and the text after the name.
fn reference(text: &str) -> Option<(&str, &str)> {
    let braced = text.strip_prefix('{');
    let text = braced.unwrap_or(text);
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let end = text.find(|c: char| !is_part(c)).unwrap_or(text.len());
    let (name, after) = text.split_at(end);
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    match (starts, braced) {
        (false, _) => None,
        (true, Some(_)) => Some((name, after.strip_prefix('}')?)),
        (true, None) => Some((name, after)),
    }
}

fn referred(ini: &Ini, section: &str, name: &str, depth: usize) -> Result<String, Rejected> {
    let (section, key) = name.rsplit_once('.').unwrap_or((section, name));
    let Some(value) = value(ini, section, key) else {
        let found = format!("${name}, which this file gives no value");
        return Err(Rejected::new(
            found,
            format!(
                "references to options in the same file; set {key} there, or write its value out"
            ),
        ));
    };
    if depth == MAX_DEPTH {
        return Err(Rejected::new(
            format!("${name}, which refers to itself or too deep"),
            "at most 8 nested references",
        ));
    }
    resolved(ini, section, value, depth + 1)
}

/// The line of the last `key = value` in the section; the first line is 1.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let mut in_section = false;
    let mut found = None;
    for (index, line) in text.lines().enumerate() {
        if let Some(section) = line.strip_prefix('[') {
            in_section = section.split(']').next() == Some(SECTION);
        } else if in_section
            && line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with(['=', ':']))
        {
            found = Some(index + 1);
        }
    }
    found
}
