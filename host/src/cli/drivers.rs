//! `driver list` and `driver inspect`: what could keep the books, and whether it would load.

use super::Session;
use super::args::Driver;
use super::exit::{Code, note};
use super::output::{columns, facts, short_size, size};
use image_cache::{Inspection, inspect};
use serde::Serialize;

const BUILT_IN: [&str; 2] = ["sqlite", "xattr"];

/// A line of `driver list`.
#[derive(Serialize)]
struct Entry<'a> {
    name: &'a str,
    version: Option<&'a str>,
    source: &'a str,
    size: u64,
    selected: bool,
    loads: bool,
    faults: &'a [String],
}

/// The driver's own word about itself.
#[derive(Serialize)]
struct Description<'a> {
    name: &'a str,
    version: &'a str,
}

/// The answer of `driver inspect`.
#[derive(Serialize)]
struct Inspected<'a> {
    name: &'a str,
    source: &'a str,
    description: Option<Description<'a>>,
    size: u64,
    sha256: &'a str,
    imports: &'a [String],
    exports: &'a [String],
    compile_seconds: f64,
    from_compile_cache: bool,
    compile_cache_fault: Option<&'a str>,
    loads: bool,
    faults: &'a [String],
}

pub fn driver(session: &Session, command: &Driver) -> anyhow::Result<Code> {
    match command {
        Driver::List => list(session),
        Driver::Inspect { name } => inspect_one(session, name),
    }
}

fn list(session: &Session) -> anyhow::Result<Code> {
    let config = &session.config;
    let mut names: Vec<&str> = BUILT_IN.to_vec();
    names.extend(config.drivers.keys().map(String::as_str));
    // A path, or a name that nobody knows: that it is selected is the more to be shown.
    if !names.contains(&config.driver.as_str()) {
        names.push(&config.driver);
    }
    let inspections: Vec<(bool, Inspection)> =
        names.iter().map(|name| (*name == config.driver, inspect(name, config))).collect();
    let entries: Vec<Entry<'_>> =
        inspections.iter().map(|(selected, it)| entry(*selected, it)).collect();
    session.format.print(&entries, |entries| {
        columns(["NAME", "VERSION", "SIZE", "SELECTED", "LOADS", "SOURCE"], entries.iter().map(row))
    })?;
    for entry in entries.iter().filter(|entry| !entry.loads) {
        note("note", &format!("driver {} would not load: {}", entry.name, entry.faults.join("; ")));
    }
    Ok(Code::Done)
}

fn inspect_one(session: &Session, name: &str) -> anyhow::Result<Code> {
    let inspection = inspect(name, &session.config);
    session.format.print(&inspected(&inspection), |_| table(&inspection))?;
    if inspection.faults.is_empty() {
        return Ok(Code::Done);
    }
    note(
        "error",
        &format!("driver {} would not load: {}", inspection.name, inspection.faults.join("; ")),
    );
    Ok(Code::Failed)
}

fn entry(selected: bool, it: &Inspection) -> Entry<'_> {
    Entry {
        name: &it.name,
        version: it.description.as_ref().map(|(_, version)| version.as_str()),
        source: &it.source,
        size: it.size_bytes,
        selected,
        loads: it.faults.is_empty(),
        faults: &it.faults,
    }
}

fn row(entry: &Entry<'_>) -> [String; 6] {
    [
        entry.name.to_owned(),
        entry.version.unwrap_or("-").to_owned(),
        short_size(entry.size),
        yes_or(entry.selected, "-"),
        yes_or(entry.loads, "NO"),
        entry.source.to_owned(),
    ]
}

fn inspected(it: &Inspection) -> Inspected<'_> {
    Inspected {
        name: &it.name,
        source: &it.source,
        description: it.description.as_ref().map(|(name, version)| Description { name, version }),
        size: it.size_bytes,
        sha256: &it.sha256,
        imports: &it.imports,
        exports: &it.exports,
        compile_seconds: it.compile_time.as_secs_f64(),
        from_compile_cache: it.from_compile_cache,
        compile_cache_fault: it.compile_cache_fault.as_deref(),
        loads: it.faults.is_empty(),
        faults: &it.faults,
    }
}

fn table(it: &Inspection) -> String {
    let or_none =
        |lines: &[String]| if lines.is_empty() { "-".to_owned() } else { lines.join("\n") };
    let mut lines = vec![("name", it.name.clone())];
    // A file that could not be read has none of these.
    if !it.sha256.is_empty() {
        lines.extend([
            ("source", it.source.clone()),
            ("size", size(it.size_bytes)),
            ("sha256", it.sha256.clone()),
            ("imports", or_none(&it.imports)),
            ("exports", or_none(&it.exports)),
        ]);
    }
    if let Some((name, version)) = &it.description {
        let compiled =
            if it.from_compile_cache { "taken from the compile cache" } else { "compiled" };
        lines.push(("version", format!("{name} {version}")));
        lines
            .push(("code", format!("{compiled} in {:.1} ms", it.compile_time.as_secs_f64() * 1e3)));
    }
    lines.extend(it.compile_cache_fault.iter().map(|fault| ("not kept", fault.clone())));
    lines.push(("would load", yes_or(it.faults.is_empty(), "NO")));
    lines.extend(it.faults.iter().map(|fault| ("fault", fault.clone())));
    facts(lines)
}

fn yes_or(condition: bool, otherwise: &str) -> String {
    if condition { "yes".to_owned() } else { otherwise.to_owned() }
}
