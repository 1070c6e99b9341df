//! `driver add`: verifies a component of somebody else, shows what it may do, and writes it into the configuration with its digest.

use super::manifest::{MAX_COMPONENT, write};
use super::tried_driver::TriedDriver;
use crate::command_context::CommandContext;
use crate::confirm::confirmed;
use crate::error::CliError;
use crate::exit::{Code, print_message};
use crate::global_options::GlobalOptions;
use crate::output::{Format, facts, size};
use anyhow::{Context, Result, bail};
use clap::Args;
use image_cache::{
    Config, Inspection, ManifestOption, RESERVED_DRIVERS, is_driver_name, read_file,
};
use minisign_verify::{PublicKey, Signature};
use serde::Serialize;
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The largest signature that is read, in bytes; minisign's have 300.
const MAX_SIGNATURE: u64 = 8 << 10;

/// The ending of a file with the signature of another one.
const SIGNATURE: &str = ".minisig";

#[derive(Debug, Args)]
pub struct AddArgs {
    /// The component: a file, or its address (http or https)
    #[arg(value_name = "FILE|URL")]
    source: String,
    /// The driver's name in the configuration [default: its own name]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The signature of the component: a file or an address [default: the source with `.minisig`, if there is one]
    #[arg(long, value_name = "FILE|URL")]
    signature: Option<String>,
    /// The folder into which the component is copied [default: `drivers` beside the configuration file]
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
}

/// The output of `driver add`.
#[derive(Serialize)]
struct AddAnswer<'a> {
    name: &'a str,
    component: &'a Path,
    sha256: &'a str,
    signed: bool,
    config: &'a Path,
}

pub fn add(global: &GlobalOptions, context: &CommandContext, args: &AddArgs) -> Result<Code> {
    let config_file = global.config.as_deref().ok_or_else(|| {
        CliError::Usage(
            "name the configuration file, into which the driver is written: --config FILE".into(),
        )
    })?;
    let bytes = fetch(&args.source, MAX_COMPONENT)?;
    let is_signed = verify(&context.config, args, &bytes)?;
    let scratch = tempfile::tempdir().context("cannot create a directory to inspect the driver")?;
    let file = scratch.path().join("added.wasm");
    fs::write(&file, &bytes).context("cannot write the component to a temporary directory")?;
    let inspection = inspected(&context.config, &file, &args.source)?;
    let own = inspection.description.as_ref().map_or("", |(name, _)| name);
    let name = args.name.as_deref().unwrap_or(own);
    if !is_driver_name(name) || is_reserved(name) {
        let words = format!(
            "{name:?} cannot be a driver's name in the configuration: give another one by --name"
        );
        return Err(CliError::Usage(words).into());
    }
    show(context.format, name, &args.source, &inspection, is_signed);
    if !confirmed(&format!("Add {name} to {}?", config_file.display()), args.yes)? {
        print_message("note", "nothing was written");
        return Ok(Code::Failed);
    }
    let folder = args.into.clone().unwrap_or_else(|| beside(config_file).join("drivers"));
    let component = folder.join(format!("{name}.wasm"));
    install(config_file, &context.config, name, &component, &bytes, &inspection)?;
    let sha256 = &*inspection.sha256;
    let answer =
        AddAnswer { name, component: &component, sha256, signed: is_signed, config: config_file };
    context.format.print(&answer, |_| {
        format!(
            "added [drivers.{name}] to {}; to use it, set image_cache_driver = \"{name}\"",
            config_file.display()
        )
    })?;
    Ok(Code::Done)
}

/// The bytes of a file or of an address.
fn fetch(source: &str, most: u64) -> Result<Vec<u8>> {
    if !is_address(source) {
        return read_file(Path::new(source), most).with_context(|| format!("cannot read {source}"));
    }
    #[cfg(feature = "serve")]
    return image_cache_serve::download(source, most)
        .with_context(|| format!("cannot fetch {source}"));
    #[cfg(not(feature = "serve"))]
    bail!(
        "this program was built without HTTP (the feature `serve`): fetch {source} yourself, and name the file"
    )
}

/// Whether there is no such file; any other failure must not look like a component without a signature.
fn is_missing(error: &anyhow::Error) -> bool {
    let is_not_found = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::NotFound)
    };
    error.chain().any(is_not_found)
}

fn is_address(source: &str) -> bool {
    source.starts_with("http://") || source.starts_with("https://")
}

/// Whether a trusted key signed the component. A signature that does not fit is an error, and so is a missing one if the
/// configuration requires it.
fn verify(config: &Config, args: &AddArgs, bytes: &[u8]) -> Result<bool> {
    let keys = trusted_keys(&config.trusted_keys)?;
    let beside = format!("{}{SIGNATURE}", args.source);
    let signature = match &args.signature {
        Some(signature) => Some((signature, fetch(signature, MAX_SIGNATURE)?)),
        None => match fetch(&beside, MAX_SIGNATURE) {
            Ok(signature) => Some((&beside, signature)),
            Err(error) if is_missing(&error) => None,
            Err(error) => return Err(error),
        },
    };
    let Some((name, signature)) = signature else {
        if config.require_signature {
            bail!(
                "{} has no signature ({beside}), and image_cache_require_signature is set: ask its author for one",
                args.source
            );
        }
        print_message(
            "warning",
            &format!("{} has no signature: anybody can have written it", args.source),
        );
        return Ok(false);
    };
    let text = String::from_utf8(signature)
        .with_context(|| format!("{name} is no signature of minisign"))?;
    let signature = Signature::decode(&text)
        .map_err(|error| anyhow::anyhow!("{name} is no signature of minisign: {error}"))?;
    if keys.iter().any(|key| key.verify(bytes, &signature, false).is_ok()) {
        return Ok(true);
    }
    if keys.is_empty() && !config.require_signature {
        print_message(
            "warning",
            &format!("{name} was not verified: image_cache_trusted_keys names no key"),
        );
        return Ok(false);
    }
    bail!(
        "{name} is not a signature of {} by a trusted key (image_cache_trusted_keys): the component was changed, or somebody else signed it",
        args.source
    )
}

fn trusted_keys(text: &str) -> Result<Vec<PublicKey>> {
    let keys = text.split(',').map(str::trim).filter(|key| !key.is_empty());
    let key = |(number, key): (usize, &str)| {
        PublicKey::from_base64(key).map_err(|error| {
            let words = format!(
                "image_cache_trusted_keys: key {number} is no public key of minisign: {error}"
            );
            CliError::Usage(words).into()
        })
    };
    (1..).zip(keys).map(key).collect()
}

fn is_reserved(name: &str) -> bool {
    RESERVED_DRIVERS.iter().any(|reserved| reserved.eq_ignore_ascii_case(name))
}

/// What is known about the component; an error if it would not load with what its manifest, or else its imports, ask for.
fn inspected(config: &Config, file: &Path, source: &str) -> Result<Inspection> {
    let path = file.to_string_lossy();
    let tried = TriedDriver::new(config, &path, &[], &[], "this inspection")?;
    let mut config = tried.config;
    let examined = image_cache::inspect(&config.driver, &config);
    if let Some(manifest) = &examined.manifest
        && let Some(driver) = config.drivers.get_mut(&config.driver)
    {
        driver.grants.clone_from(&manifest.grants);
        let table =
            format!("image_cache_dir = \".\"\n{}", table("it", Path::new("x"), "", &examined)?);
        let read = Config::from_toml(&table, Path::new("driver.toml"));
        driver.limits =
            read.context("its manifest (driver.toml) has invalid limits")?.drivers["it"].limits;
    }
    let inspection = super::lookup::inspect_and_try(&config.driver, &config)?;
    if inspection.faults.is_empty() {
        return Ok(inspection);
    }
    let faults = super::lookup::texts(&inspection.faults).join("; ").replace(&*path, source);
    bail!("{source} would not load, and nothing was written: {faults}")
}

/// Shows who made the driver, and what it may do.
fn show(format: Format, name: &str, source: &str, it: &Inspection, is_signed: bool) {
    if format != Format::Table {
        return;
    }
    let mut lines = vec![("name", name.to_owned()), ("source", source.to_owned())];
    if let Some(manifest) = &it.manifest {
        lines.push(("author", manifest.author.clone()));
        lines.push(("version", manifest.version.clone()));
        if !manifest.description.is_empty() {
            lines.push(("description", manifest.description.clone()));
        }
    }
    let grants: Vec<String> = it.grants.iter().map(ToString::to_string).collect();
    lines.push(("size", size(it.size_bytes)));
    lines.push(("sha256", it.sha256.clone()));
    lines.push(("signed", if is_signed { "by a trusted key" } else { "NO" }.to_owned()));
    lines.push(("grants", if grants.is_empty() { "none".to_owned() } else { grants.join(", ") }));
    let limits = it.manifest.iter().flat_map(|manifest| &manifest.limits);
    lines.extend(limits.map(|(name, value)| ("limit", format!("{name} = {value}"))));
    let options = it.manifest.iter().flat_map(|manifest| &manifest.options);
    lines.extend(options.map(|option| ("option", option_words(option))));
    eprintln!("{}", facts(lines));
}

/// An option of a driver with its documentation, in one line.
pub fn option_words(option: &ManifestOption) -> String {
    let ManifestOption { name, default, accepted, help, .. } = option;
    let default = if default.is_empty() { String::new() } else { format!(" [{default}]") };
    format!("{name}{default}: {help} ({accepted})")
}

/// Copies the component and adds the driver's table to the configuration file: both, or neither.
fn install(
    config_file: &Path,
    config: &Config,
    name: &str,
    component: &Path,
    bytes: &[u8],
    inspection: &Inspection,
) -> Result<()> {
    let shown = config_file.display();
    if config.drivers.contains_key(name) {
        bail!(
            "{shown} defines [drivers.{name}] already, and nothing was written: choose another --name, or set its sha256 = {:?} yourself",
            inspection.sha256
        );
    }
    let before = fs::read_to_string(config_file).with_context(|| format!("cannot read {shown}"))?;
    let absolute = std::path::absolute(component)?;
    let table = table(name, &absolute, &inspection.sha256, inspection)?;
    let after = format!("{}\n\n{table}", before.trim_end());
    // What the file says now is checked as the next command would read it.
    Config::from_toml(&after, config_file).with_context(|| {
        format!("{shown} would not be valid with this added, and nothing was written:\n{table}")
    })?;
    if component.exists() {
        bail!(
            "{} is there already, and nothing was written: move it away, or choose another --name",
            component.display()
        );
    }
    if let Some(folder) = component.parent() {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
    }
    write(component, bytes)?;
    write(config_file, after.as_bytes()).inspect_err(|_| {
        // It was written above.
        let _ = fs::remove_file(component);
    })
}

/// The table `[drivers.NAME]`, with the grants and limits that the driver asks for.
fn table(name: &str, component: &Path, sha256: &str, it: &Inspection) -> Result<String> {
    let text = |value: &str| toml::Value::from(value).to_string();
    // A name may have a dot, which would divide the key.
    let key = if name.contains('.') { text(name) } else { name.to_owned() };
    let mut table =
        format!("[drivers.{key}]\ncomponent = {}\n", text(&component.to_string_lossy()));
    if !sha256.is_empty() {
        writeln!(table, "sha256 = {}", text(sha256))?;
    }
    let grants: Vec<String> = it.grants.iter().map(|grant| format!("\"{grant}\"")).collect();
    writeln!(table, "grants = [{}]", grants.join(", "))?;
    let limits = it.manifest.as_ref().map(|manifest| &manifest.limits);
    if let Some(limits) = limits.filter(|limits| !limits.is_empty()) {
        writeln!(table, "limits = {}", toml::Value::Table(limits.clone()))?;
    }
    Ok(table)
}

fn beside(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
