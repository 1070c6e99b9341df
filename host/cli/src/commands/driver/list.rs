//! `driver list`: the available drivers, and whether each can be loaded.

use super::lookup::{inspect_and_try, is_built_in, texts, yes_or};
use crate::command_context::CommandContext;
use crate::exit::{Code, print_message};
use crate::output::{columns, short_size};
use image_cache::{BuiltIn, Inspection};
use serde::Serialize;

/// An element of the output of `driver list`.
#[derive(Serialize)]
struct ListedDriver<'a> {
    name: &'a str,
    version: Option<&'a str>,
    source: &'a str,
    size: u64,
    selected: bool,
    loads: bool,
    faults: Vec<String>,
}

pub fn list(context: &CommandContext) -> anyhow::Result<Code> {
    let config = &context.config;
    let mut names: Vec<&str> = BuiltIn::ALL.iter().map(|built_in| built_in.name()).collect();
    names.extend(config.drivers.keys().map(String::as_str).filter(|name| !is_built_in(name)));
    // A path or an unknown name is also shown if it is the configured driver.
    if !names.contains(&config.driver.as_str()) {
        names.push(&config.driver);
    }
    let inspected = |name: &&str| Ok((**name == config.driver, inspect_and_try(name, config)?));
    let inspections: Vec<(bool, Inspection)> =
        names.iter().map(inspected).collect::<anyhow::Result<_>>()?;
    let entries: Vec<ListedDriver<'_>> =
        inspections.iter().map(|(selected, it)| entry(*selected, it)).collect();
    context.format.print(&entries, |entries| {
        columns(["NAME", "VERSION", "SIZE", "SELECTED", "LOADS", "SOURCE"], entries.iter().map(row))
    })?;
    for entry in entries.iter().filter(|entry| !entry.loads) {
        print_message(
            "note",
            &format!("driver {} would not load: {}", entry.name, entry.faults.join("; ")),
        );
    }
    Ok(Code::Done)
}

fn entry(selected: bool, it: &Inspection) -> ListedDriver<'_> {
    ListedDriver {
        name: &it.name,
        version: it.description.as_ref().map(|(_, version)| version.as_str()),
        source: &it.source,
        size: it.size_bytes,
        selected,
        loads: it.faults.is_empty(),
        faults: texts(&it.faults),
    }
}

fn row(entry: &ListedDriver<'_>) -> [String; 6] {
    [
        entry.name.to_owned(),
        entry.version.unwrap_or("-").to_owned(),
        // A component that could not be read has no size.
        if entry.size == 0 { "-".to_owned() } else { short_size(entry.size) },
        yes_or(entry.selected, "-"),
        yes_or(entry.loads, "NO"),
        entry.source.to_owned(),
    ]
}
