//! `driver inspect`: what a driver is, what it wants, and whether it would load as it is configured.

use super::yes_or;
use crate::cli::Session;
use crate::cli::exit::{Code, note};
use crate::cli::output::{facts, size};
use anyhow::Context;
use image_cache::{Config, Grant, Inspection, conformance, inspect};
use serde::Serialize;

/// The driver's own word about itself.
#[derive(Serialize)]
struct Description<'a> {
    name: &'a str,
    version: &'a str,
}

/// The answer.
#[derive(Serialize)]
struct Inspected<'a> {
    name: &'a str,
    source: &'a str,
    description: Option<Description<'a>>,
    size: u64,
    sha256: &'a str,
    imports: &'a [String],
    grants: Vec<&'static str>,
    exports: &'a [String],
    compile_seconds: f64,
    from_compile_cache: bool,
    compile_cache_fault: Option<&'a str>,
    loads: bool,
    faults: &'a [String],
}

pub fn inspect_one(session: &Session, name: &str) -> anyhow::Result<Code> {
    let mut inspection = inspect(name, &session.config);
    if inspection.faults.is_empty() {
        inspection.faults = refusals(name, &session.config)?;
    }
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

/// Why the driver does not take its configuration, tried on an empty cache that is gone afterwards: on the file system of the configured
/// one, where that is there and may be written to.
fn refusals(name: &str, config: &Config) -> anyhow::Result<Vec<String>> {
    let own = config.dir.join(".image-cache");
    let scratch = tempfile::tempdir_in(own).or_else(|_| tempfile::tempdir());
    let scratch = scratch.context("cannot make a directory to try the driver in")?;
    let config = Config { driver: name.to_owned(), ..config.clone() };
    let tried = conformance::loads(&config, scratch.path());
    Ok(tried.err().map(|error| error.faults().to_vec()).unwrap_or_default())
}

fn inspected(it: &Inspection) -> Inspected<'_> {
    Inspected {
        name: &it.name,
        source: &it.source,
        description: it.description.as_ref().map(|(name, version)| Description { name, version }),
        size: it.size_bytes,
        sha256: &it.sha256,
        imports: &it.imports,
        grants: grant_names(it),
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
        let grants = grant_names(it).join(", ");
        lines.extend([
            ("source", it.source.clone()),
            ("size", size(it.size_bytes)),
            ("sha256", it.sha256.clone()),
            ("imports", or_none(&it.imports)),
            ("needs grants", if grants.is_empty() { "none".to_owned() } else { grants }),
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

fn grant_names(it: &Inspection) -> Vec<&'static str> {
    it.grants.iter().copied().map(Grant::name).collect()
}
