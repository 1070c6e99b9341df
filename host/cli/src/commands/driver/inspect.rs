//! `driver inspect`: a driver's imports, exports and size, and whether it can be loaded as it is configured.

use super::add::option_words;
use super::check::grant_parser;
use super::lookup::{inspect_and_try, texts};
use super::tried_driver::TriedDriver;
use crate::command_context::CommandContext;
use crate::exit::{Code, print_message};
use crate::output::{facts, size};
use clap::Args;
use image_cache::{Grant, Inspection, time_to_compile};
use serde::Serialize;
use std::time::Duration;

#[derive(Debug, Args)]
pub struct InspectArgs {
    /// A built-in or configured name, or a component's path
    #[arg(value_name = "NAME|FILE")]
    name: String,
    /// Grant this, and nothing else; may be repeated [default: what the configuration grants; a file gets what it imports]
    #[arg(long = "grant", value_name = "GRANT", value_parser = grant_parser())]
    grants: Vec<Grant>,
}

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
    /// What it needs for its imports.
    grants: Vec<&'static str>,
    /// With what the answer was found.
    granted: Vec<&'static str>,
    granted_by: &'a str,
    exports: &'a [String],
    author: Option<&'a str>,
    /// From the component's bytes; `None` if it was not compiled.
    compile_seconds: Option<f64>,
    /// From the compile cache if the driver is there; otherwise the same.
    load_seconds: f64,
    from_compile_cache: bool,
    compile_cache_fault: Option<&'a str>,
    loads: bool,
    faults: Vec<String>,
}

pub fn inspect(context: &CommandContext, args: &InspectArgs) -> anyhow::Result<Code> {
    let tried =
        TriedDriver::new(&context.config, &args.name, &args.grants, &[], "this inspection")?;
    let name = &*tried.config.driver;
    let inspection = inspect_and_try(name, &tried.config)?;
    // A driver in the compile cache must still be compiled on every other machine.
    let compiling = match inspection.from_compile_cache {
        true => time_to_compile(name, &tried.config),
        false => inspection.description.as_ref().map(|_| inspection.compile_time),
    };
    let answer = inspected(&inspection, &tried, compiling);
    context.format.print(&answer, |_| table(&inspection, &tried, compiling))?;
    if inspection.faults.is_empty() {
        return Ok(Code::Done);
    }
    print_message(
        "error",
        &format!("driver {} would not load: {}", inspection.name, answer.faults.join("; ")),
    );
    Ok(Code::Failed)
}

fn inspected<'a>(
    it: &'a Inspection,
    tried: &'a TriedDriver,
    compiling: Option<Duration>,
) -> InspectAnswer<'a> {
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
        grants: it.grants.iter().copied().map(Grant::name).collect(),
        granted: tried.granted.iter().copied().map(Grant::name).collect(),
        granted_by: tried.granted_by,
        exports: &it.exports,
        author: it.manifest.as_ref().map(|manifest| &*manifest.author),
        compile_seconds: compiling.map(|time| time.as_secs_f64()),
        load_seconds: it.compile_time.as_secs_f64(),
        from_compile_cache: it.from_compile_cache,
        compile_cache_fault: it.compile_cache_fault.as_deref(),
        loads: it.faults.is_empty(),
        faults: texts(&it.faults),
    }
}

fn table(it: &Inspection, tried: &TriedDriver, compiling: Option<Duration>) -> String {
    let or_none =
        |lines: &[String]| if lines.is_empty() { "-".to_owned() } else { lines.join("\n") };
    let mut lines = vec![("name", it.name.clone())];
    // A file that could not be read has none of these.
    if !it.sha256.is_empty() {
        let grants: Vec<&str> = it.grants.iter().copied().map(Grant::name).collect();
        let grants = grants.join(", ");
        lines.extend([
            ("source", it.source.clone()),
            ("size", size(it.size_bytes)),
            ("sha256", it.sha256.clone()),
            ("imports", or_none(&it.imports)),
            ("grants", if grants.is_empty() { "none".to_owned() } else { grants }),
            ("exports", or_none(&it.exports)),
        ]);
    }
    if let Some(manifest) = &it.manifest {
        lines.push(("author", manifest.author.clone()));
        let description = Some(&manifest.description).filter(|text| !text.is_empty());
        lines.extend(description.map(|text| ("description", text.clone())));
        lines.extend(manifest.options.iter().map(|option| ("option", option_words(option))));
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
    lines.push(("would load", verdict(it, tried)));
    lines.extend(it.faults.iter().map(|fault| ("fault", fault.to_string())));
    facts(lines)
}

/// Whether it would load, and with which grants if the configuration does not set them.
fn verdict(it: &Inspection, tried: &TriedDriver) -> String {
    if !it.faults.is_empty() {
        return "NO".to_owned();
    }
    match tried.needed_grants() {
        Some(grants) => format!("yes, with grants = [{grants}] in its [drivers.NAME]"),
        None => "yes".to_owned(),
    }
}
