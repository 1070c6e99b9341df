//! `driver inspect`: a driver's imports, exports and size, and whether it can be loaded as it is configured.

use super::lookup::{as_file, inspect_and_try, yes_or};
use crate::command_context::CommandContext;
use crate::exit::{Code, print_message};
use crate::output::{facts, size};
use image_cache::{Grant, Inspection, time_to_compile};
use serde::Serialize;
use std::time::Duration;

/// The driver's own name and version.
#[derive(Serialize)]
struct DescriptionAnswer<'a> {
    name: &'a str,
    version: &'a str,
}

/// The output of `driver inspect`.
#[derive(Serialize)]
struct InspectAnswer<'a> {
    name: &'a str,
    source: &'a str,
    description: Option<DescriptionAnswer<'a>>,
    size: u64,
    sha256: &'a str,
    imports: &'a [String],
    grants: Vec<&'static str>,
    exports: &'a [String],
    /// From the component's bytes; `None` if it was not compiled.
    compile_seconds: Option<f64>,
    /// From the compile cache if the driver is there; otherwise the same.
    load_seconds: f64,
    from_compile_cache: bool,
    compile_cache_fault: Option<&'a str>,
    loads: bool,
    faults: &'a [String],
}

pub fn inspect_one(context: &CommandContext, name: &str) -> anyhow::Result<Code> {
    let name = &*as_file(name, &context.config);
    let inspection = inspect_and_try(name, &context.config)?;
    // A driver in the compile cache must still be compiled on every other machine.
    let compiling = match inspection.from_compile_cache {
        true => time_to_compile(name, &context.config),
        false => inspection.description.as_ref().map(|_| inspection.compile_time),
    };
    context.format.print(&inspected(&inspection, compiling), |_| table(&inspection, compiling))?;
    if inspection.faults.is_empty() {
        return Ok(Code::Done);
    }
    print_message(
        "error",
        &format!("driver {} would not load: {}", inspection.name, inspection.faults.join("; ")),
    );
    Ok(Code::Failed)
}

fn inspected(it: &Inspection, compiling: Option<Duration>) -> InspectAnswer<'_> {
    InspectAnswer {
        name: &it.name,
        source: &it.source,
        description: it
            .description
            .as_ref()
            .map(|(name, version)| DescriptionAnswer { name, version }),
        size: it.size_bytes,
        sha256: &it.sha256,
        imports: &it.imports,
        grants: grant_names(it),
        exports: &it.exports,
        compile_seconds: compiling.map(|time| time.as_secs_f64()),
        load_seconds: it.compile_time.as_secs_f64(),
        from_compile_cache: it.from_compile_cache,
        compile_cache_fault: it.compile_cache_fault.as_deref(),
        loads: it.faults.is_empty(),
        faults: &it.faults,
    }
}

fn table(it: &Inspection, compiling: Option<Duration>) -> String {
    let or_none =
        |lines: &[String]| if lines.is_empty() { "-".to_owned() } else { lines.join("\n") };
    let mut lines = vec![("name", it.name.clone())];
    // A file that could not be read has none of these.
    if !it.sha256.is_empty() {
        let grants = grant_names(it).join(", ");
        lines.extend([
            ("source", it.source.clone()),
            ("size", size(it.size_bytes)),
            ("sha256", it.sha256.clone()),
            ("imports", or_none(&it.imports)),
            ("grants", if grants.is_empty() { "none".to_owned() } else { grants }),
            ("exports", or_none(&it.exports)),
        ]);
    }
    if let Some((name, version)) = &it.description {
        let millis = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
        lines.push(("version", format!("{name} {version}")));
        lines.extend(compiling.map(|time| ("compiling", format!("takes {}", millis(time)))));
        if it.from_compile_cache {
            let took = millis(it.compile_time);
            lines
                .push(("compiled", format!("before, and loaded from the compile cache in {took}")));
        }
    }
    lines.extend(it.compile_cache_fault.iter().map(|fault| ("not kept", fault.clone())));
    lines.push(("would load", yes_or(it.faults.is_empty(), "NO")));
    lines.extend(it.faults.iter().map(|fault| ("fault", fault.clone())));
    facts(lines)
}

fn grant_names(it: &Inspection) -> Vec<&'static str> {
    it.grants.iter().copied().map(Grant::name).collect()
}
