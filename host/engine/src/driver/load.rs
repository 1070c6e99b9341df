//! Loads a driver by its configured name: finds, reads, checks against pin and grants, compiles, links and configures it.

use super::backtrace::DebugInfo;
use super::built_in::BuiltIn;
use super::compile_cache::{CompileCache, Compiled, digest};
use super::component::{ExaminedComponent, examine};
use super::driver_spec::{DriverSpec, Storage, find};
use super::error::{CallError, DriverError};
use super::host_state::HostState;
use super::instance::{FailedStart, Instance, InstanceTemplate};
use super::load_error::{LoadError, LoadFault};
use super::loaded_driver::Driver;
use crate::capability::no_images;
use crate::capability::simulated_images::SimulatedImages;
use crate::capability::sql::{Claim, Owner, SetAside};
use crate::engine::Traps;
use image_cache_model::{Config, Grant};
use image_cache_store::Directory;
use image_cache_store::process::{PerProcess, Working};
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

impl Driver {
    /// Performs every step from the configured name to a driver that can be called. If SQLite finds a database corrupt,
    /// it is quarantined, with a warning.
    ///
    /// # Errors
    /// Every reason for which a step failed, with advice.
    pub fn load(
        name: &str,
        config: &Config,
        directory: Arc<Directory>,
    ) -> Result<Driver, LoadError> {
        Driver::load_with(name, config, directory, Vec::new())
    }

    /// The same with additional options, which the conformance suite uses.
    pub fn load_with(
        name: &str,
        config: &Config,
        directory: Arc<Directory>,
        options: Vec<(String, String)>,
    ) -> Result<Driver, LoadError> {
        let failed = |fault| LoadError::new(name, vec![fault]);
        let mut spec = find(name, config, Storage::Directory(directory)).map_err(failed)?;
        spec.config.options.extend(options);
        Driver::load_spec(spec)
    }

    /// Loads a driver on a database in memory and on images without bytes, which the caller adds and removes: the component, its
    /// limits and its interfaces are those of a cache.
    ///
    /// # Errors
    /// Every reason for which a step failed, with advice.
    pub fn load_simulated(
        name: &str,
        config: &Config,
    ) -> Result<(Driver, SimulatedImages), LoadError> {
        let found = find(name, config, Storage::None);
        let mut spec = found.map_err(|fault| LoadError::new(name, vec![fault]))?;
        let images = no_images(&spec);
        spec.storage = Storage::Simulated(images.clone());
        Ok((Driver::load_spec(spec)?, images))
    }

    fn load_spec(mut spec: DriverSpec) -> Result<Driver, LoadError> {
        let _working = Working::start();
        let name = &*spec.name.clone();
        let failed = |fault| LoadError::new(name, vec![fault]);
        let examined = examine(&spec).map_err(failed)?;
        if !examined.faults.is_empty() {
            return Err(LoadError::new(name, examined.faults));
        }
        spec.manifest = examined.names.manifest.clone().and_then(Result::ok);
        spec.digest = Some(examined.digest);
        let (template, compiled) = prepare(spec, &examined).map_err(failed)?;
        compiled.log(name);
        Driver::begin(template).map_err(failed)
    }

    /// The built-in sqlite driver in place of one that keeps failing. It is already compiled if
    /// [`compile_fallback`] has been called.
    pub fn load_fallback(config: &Config, directory: Arc<Directory>) -> Result<Driver, LoadError> {
        let mut spec = DriverSpec::built_in(BuiltIn::Sqlite, config, Storage::Directory(directory));
        spec.digest = Some(digest(BuiltIn::Sqlite.bytes()));
        let failed = |fault| LoadError::new(BuiltIn::Sqlite.name(), vec![fault]);
        let _working = Working::start();
        let compiled = compiled_fallback(&spec).as_ref();
        let compiled = compiled.map_err(|fault| failed(fault.clone()))?;
        let template = InstanceTemplate::new(&compiled.component, spec).map_err(failed)?;
        Driver::begin(template).map_err(failed)
    }

    /// Calls a first instance for its name, which has no cache yet, claims the database for it, and configures a second one.
    fn begin(template: InstanceTemplate) -> Result<Driver, LoadFault> {
        let mut state = HostState::new(&template.spec);
        let cache = state.cache.take();
        let asked = template.instantiate(state, None);
        let mut asked = asked.map_err(|failed| failed.error)?;
        let description = asked.describe()?;
        let mut state = asked.into_state();
        state.cache = cache;
        template.spec.check_name(&description.0)?;
        claim_database(&template, &description.0, &mut state)?;
        let mut instance = start(&template, state)?;
        let configured = instance.describe()?;
        if configured.0 != description.0 {
            return Err(LoadFault::ChangedName { before: description.0, after: configured.0 });
        }
        Ok(Driver::new(description, template, instance))
    }
}

/// Compiles the sqlite driver in the background, so that no request waits for this when another driver fails.
pub fn compile_fallback(config: &Config) {
    let spec = DriverSpec::built_in(BuiltIn::Sqlite, config, Storage::None);
    let compile = move || compiled_fallback(&spec).is_ok();
    let thread = std::thread::Builder::new().name("image-cache-spare".into());
    if let Err(error) = thread.spawn(compile) {
        tracing::debug!(%error, "the failover driver will be compiled when it is needed");
    }
}

/// The code of the sqlite driver for this kind of traps, kept in memory until this process ends.
fn compiled_fallback(spec: &DriverSpec) -> &'static Result<Compiled, LoadFault> {
    #[derive(Default)]
    struct Fallback {
        signals: OnceLock<Result<Compiled, LoadFault>>,
        checks: OnceLock<Result<Compiled, LoadFault>>,
    }
    static FALLBACK: PerProcess<Fallback> = PerProcess::new();
    let code = match spec.traps {
        Traps::Signals => &FALLBACK.get().signals,
        Traps::Checks => &FALLBACK.get().checks,
    };
    code.get_or_init(|| {
        let bytes = BuiltIn::Sqlite.bytes();
        CompileCache::of(&spec.compiled).compile(spec.traps, bytes, &digest(bytes))
    })
}

/// Makes the driver of this name the owner of its database; one of another driver is set aside, with a warning, after an instance
/// was configured on an empty database: a driver that cannot be used takes nothing from another.
fn claim_database(
    template: &InstanceTemplate,
    own_name: &str,
    state: &mut HostState,
) -> Result<(), LoadFault> {
    let spec = &template.spec;
    let is_shared_with_glance = spec.built_in == Some(BuiltIn::Sqlite);
    if is_shared_with_glance || !spec.config.grants.contains(&Grant::Sql) {
        return Ok(());
    }
    let Some(cache) = &mut state.cache else { return Ok(()) };
    let author = spec.manifest.as_ref().map(|manifest| manifest.author.clone());
    let owner = Owner { name: own_name.to_owned(), author };
    let unknown = |error: io::Error| LoadFault::DatabaseOwner { source: Arc::new(error) };
    if cache.database.is_foreign(&owner).map_err(unknown)? {
        template.try_configuration()?;
    }
    match cache.database.claim(owner).map_err(unknown)? {
        Claim::Made(aside) => aside.iter().for_each(|aside| warn_of(aside, &spec.name, own_name)),
        Claim::Refused { owner: other, process } => {
            return Err(LoadFault::DatabaseInUse { owner: other.name, process });
        }
    }
    Ok(())
}

fn warn_of(aside: &SetAside, driver: &str, own_name: &str) {
    let SetAside { owner, path } = aside;
    let removed = || "it was removed".to_owned();
    let place = path.as_ref().map_or_else(removed, |path| path.display().to_string());
    tracing::warn!(
        driver,
        own_name,
        owner = owner.name,
        place,
        "the database belongs to another driver and was moved away; the records are rebuilt from the directory. `image-cache driver migrate` moves records, with both drivers configured"
    );
}

/// A configured instance; quarantines a corrupt database first if necessary.
fn start(template: &InstanceTemplate, state: HostState) -> Result<Instance, LoadFault> {
    let name = &template.spec.name;
    let FailedStart { mut state, error } = match start_when_not_busy(template, state) {
        Ok(instance) => return Ok(instance),
        Err(failed) => *failed,
    };
    let CallError::Corrupt(words) = &error else { return Err(error.into()) };
    let aside = state.quarantine_database().map_err(|error| LoadFault::NotQuarantined {
        corruption: words.clone(),
        source: Arc::new(error),
    })?;
    match aside {
        Some(aside) => tracing::warn!(
            driver = name,
            "the database is corrupt or no database ({words}): it was moved to {} and is rebuilt from the directory",
            aside.display()
        ),
        None => tracing::warn!(driver = name, "the database was temporarily unreadable: {words}"),
    }
    template.start(state, None).map_err(|failed| failed.error.into())
}

/// How long another process's transaction may delay configuring a driver.
const BUSY_PATIENCE: Duration = Duration::from_secs(10);

/// A configured instance; waits while another process has its database locked.
fn start_when_not_busy(
    template: &InstanceTemplate,
    mut state: HostState,
) -> Result<Instance, Box<FailedStart>> {
    let until = Instant::now() + BUSY_PATIENCE;
    loop {
        let failed = match template.start(state, None) {
            Err(failed) if matches!(failed.error, CallError::Refused(DriverError::Busy)) => failed,
            other => return other,
        };
        if Instant::now() > until {
            return Err(failed);
        }
        std::thread::sleep(Duration::from_millis(20));
        state = failed.state;
    }
}

/// Compiles a component or loads compiled code, and links it.
pub(super) fn prepare(
    spec: DriverSpec,
    examined: &ExaminedComponent,
) -> Result<(InstanceTemplate, Compiled), LoadFault> {
    let cache = CompileCache::of(&spec.compiled);
    let compiled = cache.compile(spec.traps, &examined.bytes, &examined.digest)?;
    // The built-in drivers have none.
    let debug_info = spec.built_in.is_none().then(|| DebugInfo::read(&examined.bytes)).flatten();
    let template = InstanceTemplate::new(&compiled.component, spec)?;
    Ok((template.with_debug_info(debug_info), compiled))
}

#[cfg(test)]
mod tests;
