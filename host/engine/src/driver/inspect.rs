//! Inspects a driver without a cache: what it is, what it needs, and whether it can be loaded.

use super::compile_cache::{CodeOrigin, compile};
use super::component::{ExaminedComponent, examine};
use super::driver_spec::{DriverSpec, Storage, find};
use super::host_state::HostState;
use super::load::prepare;
use super::load_error::LoadFault;
use crate::engine;
use image_cache_model::{Config, DriverManifest, Grant};
use image_cache_store::process::Working;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// What is known about a driver before it is used.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Inspection {
    /// The requested name or path; a built-in driver's own spelling.
    pub name: String,
    /// `built in`, or the component's path.
    pub source: String,
    /// Bytes of the component.
    pub size_bytes: u64,
    /// SHA-256 of the component in lower-case hexadecimal, as in a pin; empty if it could not be read.
    pub sha256: String,
    /// What the component imports.
    pub imports: Vec<String>,
    /// The grants that it needs for what it imports.
    pub grants: BTreeSet<Grant>,
    /// What the component exports.
    pub exports: Vec<String>,
    /// What the driver says about itself, if the component carries a valid manifest.
    pub manifest: Option<DriverManifest>,
    /// The driver's own name and version, if it could be called.
    pub description: Option<(String, String)>,
    /// How long it took to compile the component, or to load compiled code.
    pub compile_time: Duration,
    /// Whether compiled code was found on disk, or in the memory of this process.
    pub from_compile_cache: bool,
    /// Why compiled code is not stored on disk, if it is not.
    pub compile_cache_fault: Option<String>,
    /// Every reason why it cannot be loaded, with advice; if empty, it can. Whether it accepts its configuration
    /// shows only in a cache.
    pub faults: Vec<LoadFault>,
}

/// Inspects the driver `name_or_file` with the configuration `config`. No cache is opened, and the driver is not configured.
///
/// ```no_run
/// let config = image_cache_model::Config::builder("/var/lib/image-cache").build()?;
/// let inspection = image_cache_engine::inspect("xattr", &config);
/// assert!(inspection.faults.is_empty(), "{:?}", inspection.faults);
/// # Ok::<(), image_cache_model::ConfigError>(())
/// ```
pub fn inspect(name_or_file: &str, config: &Config) -> Inspection {
    let _working = Working::start();
    let mut inspection = Inspection { name: name_or_file.into(), ..Inspection::default() };
    if let Err(fault) = inspection.look(name_or_file, config) {
        inspection.faults.push(fault);
    }
    inspection
}

/// How long compiling the driver takes, without the compile cache; `None` if it must not be compiled or does not
/// compile, for the reasons that [`inspect`] returns.
///
/// ```
/// let config = image_cache_model::Config::builder("/var/lib/image-cache").build()?;
/// assert!(image_cache_engine::time_to_compile("sqlite", &config) > Some(std::time::Duration::ZERO));
/// # Ok::<(), image_cache_model::ConfigError>(())
/// ```
pub fn time_to_compile(name_or_file: &str, config: &Config) -> Option<Duration> {
    let _working = Working::start();
    let spec = find(name_or_file, config, Storage::None).ok()?;
    let examined = examine(&spec).ok()?;
    if !examined.faults.is_empty() {
        return None;
    }
    let engine = engine::engine(spec.traps).ok()?;
    let started = Instant::now();
    compile(engine, &examined.bytes).ok()?;
    Some(started.elapsed())
}

impl Inspection {
    fn look(&mut self, name: &str, config: &Config) -> Result<(), LoadFault> {
        let spec = find(name, config, Storage::None)?;
        self.name.clone_from(&spec.name);
        self.source = match spec.built_in {
            Some(_) => "built in".into(),
            None => spec.config.component.display().to_string(),
        };
        let examined = examine(&spec)?;
        self.size_bytes = examined.bytes.len() as u64;
        self.sha256 = hex::encode(examined.digest);
        self.imports.clone_from(&examined.names.imports);
        self.grants = examined.names.needed_grants();
        self.exports.clone_from(&examined.names.exports);
        self.manifest = examined.names.manifest.clone().and_then(Result::ok);
        self.faults.clone_from(&examined.faults);
        if self.faults.is_empty() { self.run(spec, &examined) } else { Ok(()) }
    }

    fn run(&mut self, spec: DriverSpec, examined: &ExaminedComponent) -> Result<(), LoadFault> {
        let started = Instant::now();
        let (template, compiled) = prepare(spec, examined)?;
        self.compile_time = started.elapsed();
        self.from_compile_cache = compiled.origin != CodeOrigin::Compiler;
        self.compile_cache_fault = compiled.cache_fault;
        let instance = template.instantiate(HostState::new(&template.spec), None);
        let mut instance = instance.map_err(|failed| failed.error)?;
        let description = instance.describe()?;
        template.spec.check_name(&description.0)?;
        self.description = Some(description);
        Ok(())
    }
}
